import * as tf from '@tensorflow/tfjs-core'
import { copyStore, fromFloat32, type Parameter } from '@tersor/tensor'
import { forward, loadModel } from '../model/load.js'
import { collectBatches } from '../run/calibrate.js'
import { definePass } from '../step/define-method.js'
import { integer, optional } from '../step/options.js'
import { momentOf } from './moment.js'
import { momentsOf, statisticsOf } from './statistics.js'

/**
 * Measures the running means and variances of batch norms anew, as the mean of those of the calibration batches, each normalised by its own:
 * for networks whose weights changed behind their norms. A network without batch norms of its own stays as it is.
 * Throws BAD_OPTION and NO_CALIBRATION. Izmailov et al. 2018, https://arxiv.org/abs/1803.05407, section 3.2
 */
export const estimateStatistics = definePass({
  name: 'estimate-statistics',
  summary: 'measures the running means and variances of batch norms anew',
  paper: {
    title: 'Averaging Weights Leads to Wider Optima and Better Generalization',
    authors: 'Izmailov et al.',
    year: 2018,
    url: 'https://arxiv.org/abs/1803.05407',
    section: 'section 3.2',
  },
  options: { batches: optional(integer({ min: 1, doc: 'calibration batches to measure, from the first; all where absent' })) },
  run: async (model, context, { batches }) => {
    const inputs = (await collectBatches('estimate-statistics', context.calibration)).slice(0, batches)
    if (statisticsOf(model).length === 0) return model
    const { weights, dispose } = await loadModel(model, context.signal)
    const sums = new Map<string, Float64Array>()
    try {
      for (const [index, input] of inputs.entries()) {
        context.signal.throwIfAborted()
        const { moment, taken } = momentOf({ step: index, of: inputs.length, rng: context.rng })
        tf.tidy(() => void forward(model, input, { weights, moments: momentsOf('batch', moment) }))
        try {
          for (const [name, value] of taken.told) {
            const numbers = await value.data<'float32'>()
            const sum = sums.get(name) ?? new Float64Array(numbers.length)
            numbers.forEach((number, i) => (sum[i] += number / inputs.length))
            sums.set(name, sum)
          }
        } finally {
          tf.dispose(taken.told.map(([, value]) => value))
        }
        context.emit({ type: 'calibrated', pass: 'estimate-statistics', stage: 'all', batch: index })
      }
    } finally {
      dispose()
    }
    const change = (name: string, parameter: Parameter): Parameter => {
      const measured = sums.get(name)
      if (!measured || parameter.kind === 'encoded') return parameter
      context.emit({ type: 'changed', pass: 'estimate-statistics', parameter: name })
      return fromFloat32(Float32Array.from(measured), parameter.dtype, parameter.shape)
    }
    return { ...model, params: await copyStore(model.params, context.sink(), { signal: context.signal, change }) }
  },
})
