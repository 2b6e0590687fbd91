import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, DTYPES, type DType, type Parameter, type ParameterStore } from '@tersor/tensor'
import { inputNames } from '../model/activation-grid.js'
import { forward, loadModel } from '../model/load.js'
import { sitesOf, type Model, type Site, type Tap } from '../model/model.js'
import type { Rng } from '../run/rng.js'
import { choose, isTreatment, type ByPlace, type Chosen, type How } from './by-place.js'
import type { Trained } from './fit-options.js'
import type { Batch } from './losses.js'
import { isTrainable, leaves } from './leaves.js'
import { held, isFloat, type TrainedNode } from './node.js'
import { parametrized } from './parametrized.js'

/** A parameter of the network while it is trained. */
export interface TrainedParameter extends TrainedNode {
  readonly name: string
  readonly site?: Site
  /** Whether it is a running measure, which no gradient moves. */
  readonly running?: boolean
}

/** The variables of parameters, with the names that transforms know them by. */
export const variablesOf = (parameters: readonly TrainedParameter[]): readonly Trained[] =>
  parameters.flatMap(({ variables, site, running = false }) =>
    [...variables].map(([name, variable]) => ({ name, variable, moves: !running, ...(site && { site }) })),
  )

const opaque = (stage: string): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `train needs gradients, and the stage "${stage}" has none: another runtime computes it.`,
    'Train a network of @tersor/models, or a tfjs graph, and compress this one without training.',
    { stage },
  )

const beyondTraining = (name: string, codec: string): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `train cannot train "${name}", which is stored as ${codec}: it has no floats that a gradient could move.`,
    'Train before the step that made it, leave it to `frozen`, or pass a parametrization that works on its site.',
    { parameter: name, codec },
  )

/** Inputs of a site are rounded once. */
const refuseGrids = (params: ParameterStore, chosen: ReadonlyMap<string, Chosen>): void => {
  const stored = new Set(params.names())
  for (const { how, site } of chosen.values()) {
    if (isTreatment(how) || !how.input || !site || !inputNames(site).some(name => stored.has(name))) continue
    throw new CompressionError(
      'COMPOSITION',
      `${how.name} makes the inputs of "${site.name}" anew, which are rounded already.`,
      'Train before the step that rounds them, or leave this site out with only.',
      { site: site.name, parametrization: how.name },
    )
  }
}

/** What new floats are stored in: the weight's own form before it was compressed. */
const dtypeOf = (source: ParameterStore, name: string, parameter: Parameter): DType => {
  const before = source.names().includes(name) ? source.info(name).dtype : undefined
  if (before && DTYPES[before].kind === 'float') return before
  return isFloat(parameter) ? parameter.dtype : 'f32'
}

export interface TrainedParametersOptions {
  readonly parametrize?: How | ByPlace
  readonly rng: Rng
  readonly signal?: AbortSignal
  /** The store before compression, for the dtypes of new floats. */
  readonly source?: ParameterStore
  /** A first batch, for parametrizations that look at the inputs of their sites; the caller frees it. */
  readonly batch?: Batch
  /** Buffers that are variables nevertheless, which something other than gradients moves. */
  readonly running?: ReadonlySet<string>
}

/** What parametrizations see of the inputs of their sites, by the site's name; the caller frees it. */
const seenBy = async (model: Model, chosen: ReadonlyMap<string, Chosen>, batch: Batch, signal?: AbortSignal) => {
  const looking = new Map(
    [...chosen.values()].flatMap(({ how, site }) => (site && !isTreatment(how) && how.sees ? [[site.name, how] as const] : [])),
  )
  const seen = new Map<string, tf.Tensor>()
  if (looking.size === 0) return seen
  const { weights, dispose } = await loadModel(model, signal)
  const tap: Tap = ({ name }, input) => {
    if (!seen.has(name) && looking.has(name)) seen.set(name, tf.keep(tf.tidy(() => looking.get(name)!.sees!(input))))
  }
  try {
    forward(model, batch.input, { weights, tap, ...(batch.attended && { attended: batch.attended }) }).dispose()
    return seen
  } finally {
    dispose()
  }
}

interface NodeOptions {
  readonly chosen: Chosen | undefined
  readonly dtype: DType
  readonly rng: Rng
  readonly seen: ReadonlyMap<string, tf.Tensor>
}

const nodeOf = (name: string, parameter: Parameter, { chosen, dtype, rng, seen }: NodeOptions): TrainedNode => {
  if (chosen?.site && !isTreatment(chosen.how)) {
    const input = seen.get(chosen.site.name)
    return parametrized(name, parameter, { parametrize: chosen.how, site: chosen.site, dtype, rng, ...(input && { seen: input }) })
  }
  if (!chosen && parameter.kind === 'encoded' && !isTrainable(parameter)) throw beyondTraining(name, parameter.codec.name)
  return (chosen && isTreatment(chosen.how) ? chosen.how : leaves()).node(name, parameter)
}

/**
 * Every parameter of a model's stages, ready to be trained: made anew where a parametrization works on its site, and else by its floats,
 * those of a tree through its codec; whole numbers and the stages' buffers stay. Throws COMPOSITION for stages without gradients, for trees
 * without floats and where inputs would be rounded twice, and NOT_FOUND for a parametrization without a site.
 */
export const trainedParameters = async (
  model: Model,
  { parametrize, rng, signal, batch, source = model.params, running = new Set() }: TrainedParametersOptions,
): Promise<readonly TrainedParameter[]> => {
  const stage = model.stages.find(({ differentiable }) => differentiable === false)
  if (stage) throw opaque(stage.name)
  const names = [...new Set(model.stages.flatMap(({ parameters }) => parameters))]
  const buffers = new Set(model.stages.flatMap(stage => stage.buffers ?? []))
  const chosen = choose(model, names.filter(name => !buffers.has(name)), parametrize) // prettier-ignore
  refuseGrids(model.params, chosen)
  const siteOf = new Map([...sitesOf(model)].reverse().map(site => [site.weight, site]))
  const seen = batch ? await seenBy(model, chosen, batch, signal) : new Map<string, tf.Tensor>()
  const trained: TrainedParameter[] = []
  try {
    for (const name of names) {
      signal?.throwIfAborted()
      const parameter = await model.params.read(name, signal ? { signal } : {})
      const here = chosen.get(name)
      const site = here?.site ?? siteOf.get(name)
      const more = { name, ...(site && { site }), ...(running.has(name) && { running: true }) }
      if (running.has(name)) trained.push({ ...leaves().node(name, parameter), ...more })
      else if (buffers.has(name)) trained.push({ ...held(parameter), ...more })
      else trained.push({ ...nodeOf(name, parameter, { chosen: here, dtype: dtypeOf(source, name, parameter), rng, seen }), ...more })
    }
    return trained
  } catch (error) {
    trained.forEach(each => each.dispose())
    throw error
  } finally {
    seen.forEach(tensor => tensor.dispose())
  }
}
