import * as tf from '@tensorflow/tfjs-core'
import type { Parameter, ParameterStore } from '@tersor/tensor'
import { collectBatches, observe } from './calibrate.js'
import { checkFinite } from './finite.js'
import { loadWeights } from './forward.js'
import type { Context } from './method.js'
import type { Model, Stage, Tap } from './model.js'

/** What a visitor of a stage may do. */
export interface Visit {
  readonly stage: Stage
  /** Runs the stage over all calibration batches; `after` each of them, tensors that the tap kept may be read. */
  gather(tap: Tap, after?: () => Promise<void>): Promise<void>
}

/** What a visitor made: parameters by name, and the stage that reads them where that is another one. */
export interface Visited {
  readonly changed: ReadonlyMap<string, Parameter>
  readonly stage?: Stage
}

const NONE: Visited = { changed: new Map() }

/**
 * Takes the calibration batches through a model stage by stage, and each of them on through what a visitor makes of the stage:
 * later stages see the inputs they will see. Gives the stages and all that changed. Throws NO_CALIBRATION, or the signal's reason.
 */
export const walkStages = async (
  model: Model,
  context: Context,
  pass: string,
  visit: (visit: Visit) => Promise<Visited | undefined>,
): Promise<{ readonly stages: readonly Stage[]; readonly changed: ReadonlyMap<string, Parameter> }> => {
  const { signal } = context
  const inputs = context.activations(await collectBatches(pass, context.calibration))
  const all = new Map<string, Parameter>()
  const stages: Stage[] = []
  const read: ParameterStore['read'] = async (name, options) => all.get(name) ?? model.params.read(name, options)
  try {
    for (const [index, stage] of model.stages.entries()) {
      signal.throwIfAborted()
      context.emit({ type: 'stage', pass, stage: stage.name, index, of: model.stages.length })
      const gather: Visit['gather'] = async (tap, after) => {
        const { weights, dispose } = await loadWeights({ ...model.params, read }, stage.parameters, signal)
        try {
          for (let batch = 0; batch < inputs.count; batch++) {
            signal.throwIfAborted()
            await inputs.use(batch, x => observe(stage, x, weights, tap))
            await after?.()
            context.emit({ type: 'calibrated', pass, stage: stage.name, batch })
          }
        } finally {
          dispose()
        }
      }
      const { changed, stage: next = stage } = (await visit({ stage, gather })) ?? NONE
      changed.forEach((parameter, name) => all.set(name, parameter))
      stages.push(next)
      if (index === model.stages.length - 1) break
      const { weights, dispose } = await loadWeights({ ...model.params, read }, next.parameters, signal)
      try {
        for (let batch = 0; batch < inputs.count; batch++) {
          signal.throwIfAborted()
          await inputs.replace(batch, await inputs.use(batch, x => tf.tidy(() => next.run(x, { weights }))))
        }
      } finally {
        dispose()
      }
    }
    return { stages, changed: all }
  } finally {
    await inputs.dispose()
  }
}

/** Writes a model's parameters, those that changed in the place of the old ones and new ones behind; the sink is aborted where that fails. */
export const writeChanged = async (
  pass: string,
  model: Model,
  context: Context,
  changed: ReadonlyMap<string, Parameter>,
): Promise<ParameterStore> => {
  const { signal } = context
  const sink = context.sink()
  const names = model.params.names()
  const known = new Set(names)
  try {
    for (const name of [...names, ...[...changed.keys()].filter(each => !known.has(each))]) {
      signal.throwIfAborted()
      const made = changed.get(name)
      if (made) checkFinite(name, made)
      await sink.write(name, made ?? (await model.params.read(name, { signal })))
      if (made) context.emit({ type: 'changed', pass, parameter: name })
    }
    return await sink.finish()
  } catch (error) {
    await sink.abort()
    throw error
  }
}
