import type { ParameterStore } from '@tersor/tensor'
import type { Model } from '../model/model.js'
import type { Context } from '../step/method.js'
import { storageOf } from './storage.js'
import type { Scratch } from './scratch.js'

/** What a run knows that no single step needs. */
export interface Run extends Pick<Context, 'calibration' | 'rng' | 'signal' | 'emit'> {
  readonly scratch?: Scratch
  /** Bytes of activations kept in memory where there is a scratch folder. */
  readonly activationBytes: number
  /** What results are compared with; an exact pass moves it on. */
  readonly reference: { model: Model }
  /** Results between steps, which are closed when the run ends. */
  readonly opened: Set<ParameterStore>
}

/** What a pass sees of a run; `place` says which step of which pipeline it is, such as "1.0". */
export const contextOf = (run: Run, place = ''): Context => {
  const { calibration, rng, signal, emit, reference, opened } = run
  return {
    ...{ rng, signal, emit, source: reference.model, ...(calibration ? { calibration } : {}) },
    ...storageOf({ ...run, place }),
    within: (index, step) => contextOf({ ...run, rng: rng.fork(`${index}:${step}`) }, place === '' ? String(index) : `${place}.${index}`),
    made: (step, model) => {
      opened.add(model.params)
      if (step.exact) reference.model = model
    },
  }
}
