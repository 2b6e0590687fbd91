import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, type Dense, type Parameter, type ParameterStore } from '@tersor/tensor'
import type { Activations } from './activations.js'
import { collectBatches, collector, observe, type SiteStats } from './calibrate.js'
import { checkFinite } from './finite.js'
import { loadStage } from './forward.js'
import type { Calibration, Context } from './method.js'
import type { Model, Site, Stage } from './model.js'

/** One stage as a pass sees it: statistics of its sites' inputs and its parameters, which it may replace. */
export interface StageTurn {
  readonly stage: Stage
  statsOf(site: Site): SiteStats
  /** As it is now. Throws COMPOSITION for a compressed one, NOT_FINITE for a broken one. */
  read(name: string): Promise<Dense>
  replace(name: string, parameter: Dense): void
}

export interface StagewiseOptions {
  /** Of the pass, for errors and progress. */
  readonly name: string
  readonly calibrate: Calibration<any>
  /** Whether a stage is asked for anything; others are copied. */
  readonly selects: (stage: Stage) => boolean
  /** Changes the parameters of a stage so that its outputs stay what they are. */
  readonly change: (turn: StageTurn) => Promise<void>
}

/** Says that a pass came too late for a parameter. */
export const alreadyCompressed = (pass: string, parameter: string, codec: string): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `${pass} would change "${parameter}", which is compressed already (${codec}).`,
    `Put ${pass} before the step that compressed it.`,
    { pass, parameter, codec },
  )

/** A plain parameter that a pass will change. Throws COMPOSITION for a compressed one, NOT_FINITE for a broken one. */
export const readDense = async (pass: string, params: ParameterStore, name: string, signal?: AbortSignal): Promise<Dense> => {
  const parameter = await params.read(name, signal ? { signal } : {})
  if (parameter.kind === 'encoded') throw alreadyCompressed(pass, name, parameter.codec.name)
  checkFinite(name, parameter)
  return parameter
}

/**
 * Goes through a model stage by stage as `layerwise` does, for passes that change several parameters of a stage at once and
 * none of its outputs: the next stage's inputs are those of the model as it was. Throws NO_CALIBRATION.
 */
export const stagewise = async (model: Model, context: Context, options: StagewiseOptions): Promise<Model> => {
  const batches = await collectBatches(options.name, context.calibration)
  const out = context.sink()
  const written = new Set<string>()
  const write = async (name: string, changed?: Parameter): Promise<void> => {
    if (written.has(name)) return
    await out.write(name, changed ?? (await model.params.read(name, { signal: context.signal })))
    written.add(name)
    if (changed) context.emit({ type: 'changed', pass: options.name, parameter: name })
  }
  const last = model.stages.findLastIndex(options.selects)
  const inputs = context.activations(batches)
  try {
    for (const [index, stage] of model.stages.entries()) {
      context.signal.throwIfAborted()
      context.emit({ type: 'stage', pass: options.name, stage: stage.name, index, of: model.stages.length })
      const changed = index <= last ? await takeTurn(model, context, options, stage, inputs, index < last) : new Map<string, Dense>()
      for (const name of stage.parameters) await write(name, changed.get(name))
    }
    for (const name of model.params.names()) await write(name)
    return { ...model, params: await out.finish() }
  } catch (error) {
    await out.abort()
    throw error
  } finally {
    await inputs.dispose()
  }
}

/** Gathers statistics while the inputs go through the stage, then lets the pass change it; gives what it changed. */
const takeTurn = async (
  model: Model,
  context: Context,
  { name: pass, calibrate, selects, change }: StagewiseOptions,
  stage: Stage,
  inputs: Activations,
  needOutputs: boolean,
): Promise<ReadonlyMap<string, Dense>> => {
  const chosen = selects(stage)
  const changed = new Map<string, Dense>()
  const stats = collector(calibrate, () => chosen)
  const loaded = await loadStage(model.params, stage, context.signal)
  try {
    for (let batch = 0; batch < inputs.count; batch++) {
      context.signal.throwIfAborted()
      await inputs.use(batch, x => chosen && observe(stage, x, loaded.weights, stats.tap))
      if (chosen) context.emit({ type: 'calibrated', pass, stage: stage.name, batch })
      if (needOutputs) await inputs.replace(batch, await inputs.use(batch, x => tf.tidy(() => stage.run(x, { weights: loaded.weights }))))
      await Promise.resolve()
    }
    await stats.settle()
    const read = async (name: string): Promise<Dense> => changed.get(name) ?? (await readDense(pass, model.params, name, context.signal))
    if (chosen) await change({ stage, statsOf: stats.of, read, replace: (name, parameter) => void changed.set(name, parameter) })
    return changed
  } finally {
    loaded.dispose()
    stats.dispose()
  }
}
