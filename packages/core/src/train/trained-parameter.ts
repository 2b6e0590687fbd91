import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, DTYPES, encoded, fromFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import type { Model, Site } from '../model/model.js'
import type { Rng } from '../run/rng.js'
import { selectedSites, selects } from '../model/select-sites.js'
import type { Parametrization, TrainingState } from './parametrization.js'

/** A parameter of the network while it is trained. */
export interface TrainedParameter {
  readonly name: string
  /** By names that are unique in the model: the parameter's own, or with that of a part behind it. */
  readonly variables: ReadonlyMap<string, tf.Variable>
  /** What the network uses, differentiable in the variables; may be made anew at each call. */
  weight(): tf.Tensor
  /** Puts the variables where the parametrization wants them after a step. */
  constrain?(step: number): void
  /** What is stored at the end. */
  finish(): Parameter | Promise<Parameter>
  dispose(): void
}

const isFloat = (leaf: Parameter): leaf is Dense => leaf.kind === 'dense' && DTYPES[leaf.dtype].kind === 'float'

/** The codec of a tree that has no floats to train; undefined where all of its payload are, down to the leaves. */
const untrainable = (parameter: Parameter): string | undefined => {
  if (parameter.kind === 'dense') return undefined
  const { codec, parts } = parameter
  if (!codec.payload || codec.payload.some(part => parts[part].kind === 'dense' && !isFloat(parts[part]))) return codec.name
  return codec.payload.map(part => untrainable(parts[part])).find(name => name !== undefined)
}

/** What stays as it is. */
const held = (name: string, parameter: Parameter): TrainedParameter => {
  const tensor = tf.keep(decode(parameter))
  return { name, variables: new Map(), weight: () => tensor, finish: () => parameter, dispose: () => tensor.dispose() }
}

const leaf = (name: string, parameter: Dense): TrainedParameter => {
  const { dtype, shape } = parameter
  const variable = tf.tidy(() => tf.variable(decode(parameter)))
  return {
    name,
    variables: new Map([[name, variable]]),
    weight: () => variable,
    finish: async () => fromFloat32(await variable.data<'float32'>(), dtype, shape),
    dispose: () => variable.dispose(),
  }
}

/** A tree whose payload is trained and whose other parts, such as masks, stay as they are. */
const tree = (name: string, { codec, parts, attrs, shape }: Encoded): TrainedParameter => {
  const nodes = Object.entries(parts).map(
    ([part, value]) => [part, (codec.payload?.includes(part) ? trainable : held)(`${name}.${part}`, value)] as const,
  )
  return {
    name,
    variables: new Map(nodes.flatMap(([, node]) => [...node.variables])),
    weight: () => codec.decode(Object.fromEntries(nodes.map(([part, node]) => [part, node.weight()])), attrs, shape),
    finish: async () => {
      const finished: Record<string, Parameter> = {}
      for (const [part, node] of nodes) finished[part] = await node.finish()
      return encoded(codec, shape, finished, attrs)
    },
    dispose: () => nodes.forEach(([, node]) => node.dispose()),
  }
}

const trainable = (name: string, parameter: Parameter): TrainedParameter =>
  parameter.kind === 'encoded' ? tree(name, parameter) : leaf(name, parameter)

/** What a parametrization makes of a site's weight. */
const parametrized = (name: string, parameter: Parameter, site: Site, parametrize: Parametrization, rng: Rng): TrainedParameter => {
  const state = tf.tidy(() => {
    const made = parametrize.init(site, decode(parameter), rng) as TrainingState
    return Object.fromEntries(Object.entries(made).map(([part, value]) => [part, tf.variable(value)]))
  })
  const constrain = (step: number): void =>
    tf.tidy(() => {
      for (const [part, value] of Object.entries(parametrize.constraint!(state, step) as TrainingState))
        if (value !== state[part]) state[part].assign(value)
    })
  return {
    name,
    variables: new Map(Object.entries(state).map(([part, variable]) => [`${name}.${part}`, variable])),
    weight: () => parametrize.weight(state),
    ...(parametrize.constraint && { constrain }),
    finish: () => parametrize.finish(state),
    dispose: () => tf.dispose(state),
  }
}

const composition = (name: string, codec: string): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `train cannot train "${name}", which is stored as ${codec}: its values are no floats that a gradient could move.`,
    'Train before the step that made it, or pass a parametrization that works on its site.',
    { parameter: name, codec },
  )

/** How each parameter of the stages takes part. */
interface Roles {
  readonly names: readonly string[]
  readonly sites: ReadonlyMap<string, Site>
  readonly buffers: ReadonlySet<string>
}

const rolesOf = (model: Model, parametrize?: Parametrization): Roles => {
  const chosen = parametrize ? selectedSites(model, parametrize, selects(parametrize)) : []
  const first = [...chosen].reverse() // of sites that share a weight, the first has it
  return {
    names: [...new Set(model.stages.flatMap(stage => stage.parameters))],
    sites: new Map(first.map(site => [site.weight, site])),
    buffers: new Set(model.stages.flatMap(stage => stage.buffers ?? [])),
  }
}

/** Stages that no gradient passes and trees that no gradient moves. */
const refuse = async (model: Model, { names, sites, buffers }: Roles, signal?: AbortSignal): Promise<void> => {
  const opaque = model.stages.find(stage => stage.differentiable === false)
  if (opaque) {
    throw new CompressionError(
      'COMPOSITION',
      `train needs gradients, and the stage "${opaque.name}" has none: another runtime computes it.`,
      'Train a network of @tersor/models, or a tfjs graph, and compress this one without training.',
      { stage: opaque.name },
    )
  }
  for (const name of names) {
    if (sites.has(name) || buffers.has(name) || model.params.info(name).codec === undefined) continue
    const codec = untrainable(await model.params.read(name, signal ? { signal } : {}))
    if (codec !== undefined) throw composition(name, codec)
  }
}

/**
 * Every parameter of a model's stages, ready to be trained. Sites that the parametrization works on are its; other floats are variables,
 * those of a tree by its payload; whole numbers and the stages' buffers stay. Throws COMPOSITION, and NOT_FOUND for a parametrization without a site.
 */
export const trainedParameters = async (
  model: Model,
  { parametrize, rng, signal }: { readonly parametrize?: Parametrization; readonly rng: Rng; readonly signal?: AbortSignal },
): Promise<readonly TrainedParameter[]> => {
  const roles = rolesOf(model, parametrize)
  await refuse(model, roles, signal)
  const trained: TrainedParameter[] = []
  try {
    for (const name of roles.names) {
      signal?.throwIfAborted()
      const parameter = await model.params.read(name, signal ? { signal } : {})
      const site = roles.sites.get(name)
      const isHeld = roles.buffers.has(name) || (parameter.kind === 'dense' && !isFloat(parameter))
      if (parametrize && site) trained.push(parametrized(name, parameter, site, parametrize, rng.fork(name)))
      else trained.push((isHeld ? held : trainable)(name, parameter))
    }
    return trained
  } catch (error) {
    trained.forEach(each => each.dispose())
    throw error
  }
}
