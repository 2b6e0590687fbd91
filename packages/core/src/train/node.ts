import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import { DTYPES, encoded, fromFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import type { Clock, Moment } from './moment.js'
import type { Finished } from './parametrization.js'

/** A parameter, or a part of one, while it is trained. */
export interface TrainedNode {
  /** By names that are unique in the model: the parameter's own, or with that of a part behind it. */
  readonly variables: ReadonlyMap<string, tf.Variable>
  /** What the network uses, differentiable in the variables. */
  weight(moment: Moment): tf.Tensor
  /** What the site multiplies in the place of its input. */
  input?(x: tf.Tensor, moment: Moment): tf.Tensor
  penalty?(moment: Moment): tf.Scalar
  /** Puts the variables where they are wanted after a step. */
  constrain?(clock: Clock): void
  /** What is stored at the end. */
  finish(): Finished | Promise<Finished>
  dispose(): void
}

/** Floats that a gradient can move; those of 8 bits and less are codes, which steps of training are too small for. */
export const isFloat = (leaf: Parameter): leaf is Dense =>
  leaf.kind === 'dense' && DTYPES[leaf.dtype].kind === 'float' && DTYPES[leaf.dtype].bits >= 16

/** The parameter alone of what is stored. */
export const parameterOf = (finished: Finished): Parameter => ('weight' in finished ? finished.weight : finished)

/** What stands beside it. */
export const besideOf = (finished: Finished): Iterable<readonly [string, Parameter]> => ('weight' in finished ? finished.beside : [])

/** What stays as it is. */
export const held = (parameter: Parameter): TrainedNode => {
  const tensor = tf.keep(decode(parameter))
  return { variables: new Map(), weight: () => tensor, finish: () => parameter, dispose: () => tensor.dispose() }
}

/** A plain tensor that is trained itself. */
export const leaf = (name: string, parameter: Dense): TrainedNode => {
  const { dtype, shape } = parameter
  const variable = tf.tidy(() => tf.variable(decode(parameter)))
  return {
    variables: new Map([[name, variable]]),
    weight: () => variable,
    finish: async () => fromFloat32(await variable.data<'float32'>(), dtype, shape),
    dispose: () => variable.dispose(),
  }
}

/** Where several nodes add to the loss. */
const penalties = (nodes: readonly TrainedNode[]): Pick<TrainedNode, 'penalty'> => {
  const own = nodes.flatMap(node => (node.penalty ? [node.penalty] : []))
  return own.length === 0 ? {} : { penalty: moment => addTensors(own.map(penalty => penalty(moment))) as tf.Scalar }
}

/** A tree over nodes: what they are is decoded by its codec, and stored under it. */
export const tree = ({ codec, attrs, shape }: Encoded, parts: readonly (readonly [part: string, node: TrainedNode])[]): TrainedNode => {
  const nodes = parts.map(([, node]) => node)
  const constraining = nodes.filter(node => node.constrain)
  const input = nodes.find(node => node.input)?.input
  return {
    variables: new Map(nodes.flatMap(node => [...node.variables])),
    weight: moment => codec.decode(Object.fromEntries(parts.map(([part, node]) => [part, node.weight(moment)])), attrs, shape),
    ...(input && { input }),
    ...penalties(nodes),
    ...(constraining.length > 0 && { constrain: (clock: Clock) => constraining.forEach(node => node.constrain?.(clock)) }),
    finish: async () => {
      const finished: Record<string, Parameter> = {}
      const beside = new Map<string, Parameter>()
      for (const [part, node] of parts) {
        const made = await node.finish()
        finished[part] = parameterOf(made)
        for (const [name, parameter] of besideOf(made)) beside.set(name, parameter)
      }
      return { weight: encoded(codec, shape, finished, attrs), beside }
    },
    dispose: () => nodes.forEach(node => node.dispose()),
  }
}
