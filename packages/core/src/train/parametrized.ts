import * as tf from '@tensorflow/tfjs-core'
import type { DType, Parameter } from '@tersor/tensor'
import { asMatrix, fromMatrix, matrix, matrixOf, toMatrix } from '../codecs/matrix.js'
import { decode } from '../model/decode.js'
import type { Site } from '../model/model.js'
import type { Rng } from '../run/rng.js'
import type { Clock } from './moment.js'
import { besideOf, held, parameterOf, tree, type TrainedNode } from './node.js'
import type { Parametrization, Place, TrainingState } from './parametrization.js'

interface Options {
  readonly parametrize: Parametrization
  readonly site: Site
  /** What new floats are stored in. */
  readonly dtype: DType
  readonly rng: Rng
  readonly seen?: tf.Tensor
}

/** The tensors of a state, those with gradients as variables, and those without. */
const stateOf = (made: TrainingState, frozen: readonly string[] = []): TrainingState =>
  Object.fromEntries(
    Object.entries(made).map(([part, value]) => [
      part,
      value.dtype === 'float32' && !frozen.includes(part) ? tf.variable(value) : tf.keep(tf.clone(value)),
    ]),
  )

/** New values of a state: the variables take theirs, and what has no gradient is replaced. */
const assign = (state: Record<string, tf.Tensor>, next: TrainingState): void => {
  for (const [part, value] of Object.entries(next)) {
    const before = state[part]
    if (value === before) continue
    if (before instanceof tf.Variable) before.assign(value)
    else {
      state[part] = tf.keep(tf.clone(value))
      before.dispose()
    }
  }
}

/** What a parametrization makes in the place of one leaf, or of a whole tree. */
const made = (name: string, parameter: Parameter, outAxis: number, { parametrize, site, dtype, rng, seen }: Options): TrainedNode => {
  const { shape } = parameter
  const place: Place = { name, site, current: asMatrix(parameter, outAxis), dtype }
  const shown = seen ? { ...place, seen } : place
  const state: Record<string, tf.Tensor> = tf.tidy(() =>
    stateOf(parametrize.init(toMatrix(decode(parameter), outAxis), shown, rng) as TrainingState, parametrize.frozen),
  )
  const { input, penalty, constraint } = parametrize
  const variables = Object.entries(state).filter((entry): entry is [string, tf.Variable] => entry[1] instanceof tf.Variable)
  return {
    variables: new Map(variables.map(([part, variable]) => [`${name}.${part}`, variable])),
    weight: moment => fromMatrix(parametrize.weight(state, moment), outAxis, shape),
    ...(input && { input: (x, moment) => input(state, x, moment) }),
    ...(penalty && { penalty: moment => penalty(state, moment) }),
    ...(constraint && { constrain: (clock: Clock) => tf.tidy(() => assign(state, constraint(state, clock) as TrainingState)) }),
    finish: async () => {
      const finished = await parametrize.finish(state, place)
      return { weight: matrixOf(parameterOf(finished), outAxis, shape), beside: new Map(besideOf(finished)) }
    },
    dispose: () => tf.dispose(state),
  }
}

/**
 * A parametrization in the place of the payload of whatever tree stands at a site, as methods are put: masks stay, and both factors of a
 * product are parametrized. Trees without a payload, such as codes on a grid, are replaced.
 */
export const parametrized = (name: string, parameter: Parameter, options: Options): TrainedNode => {
  const walk = (name: string, parameter: Parameter, outAxis: number): TrainedNode => {
    const rng = options.rng.fork(name)
    if (parameter.kind === 'dense' || !parameter.codec.payload || options.parametrize.rewrites === 'whole')
      return made(name, parameter, outAxis, { ...options, rng })
    const { codec, parts } = parameter
    const below = codec.name === matrix.name || !codec.aligned ? 0 : outAxis
    const nodes = Object.entries(parts).map(([part, value]) => {
      const isPayload = codec.payload?.includes(part) ?? false
      return [part, isPayload ? walk(`${name}.${part}`, value, below) : held(value)] as const
    })
    return tree(parameter, nodes)
  }
  return walk(name, parameter, options.site.outAxis)
}
