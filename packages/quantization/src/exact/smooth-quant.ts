import * as tf from '@tensorflow/tfjs-core'
import { definePass, fraction, walkStages, type Calibration, type Scaling, type Visit } from '@tersor/core'
import { sizeOf, toFloat32 } from '@tersor/tensor'
import { applyScaling, checkScalings, distinctStats, hasNormScalings } from './scale-channels.js'

/** Below this, maxima count as this. */
const SMALLEST = 1e-5

/** max |x| of each input channel, (in). */
const largest: Calibration<tf.Tensor> = {
  init: (_site, columns) => tf.zeros([columns]),
  update: (most, x) => tf.maximum(most, tf.max(tf.abs(x), 0)),
}

const fromNorms = (stage: { readonly scalings?: readonly Scaling[] }): readonly Scaling[] =>
  (stage.scalings ?? []).filter(({ source }) => source === 'norm')

/** Largest magnitude of each input channel over all rows of all sites. */
const weightMaxima = async ({ sites }: Scaling, count: number, { dense }: Visit): Promise<Float64Array> => {
  const maxima = new Float64Array(count)
  for (const { weight, inAxis } of sites) {
    const parameter = await dense(weight)
    const after = sizeOf(parameter.shape.slice(inAxis + 1))
    toFloat32(parameter).forEach((value, i) => {
      const channel = Math.floor(i / after) % count
      maxima[channel] = Math.max(maxima[channel], Math.abs(value))
    })
  }
  return maxima
}

/**
 * SmoothQuant: moves outliers of activations behind norms into the weights that read them; rounds nothing.
 * s = max|x|^α / max|w|^(1−α) for each channel of a norm; the norm's weight and bias are divided by s, the columns of its readers multiplied.
 * W: (out, in), X: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION, COMPOSITION, UNSUPPORTED.
 * Xiao et al. 2022, https://arxiv.org/abs/2211.10438
 */
export const smoothQuant = definePass({
  name: 'smooth-quant',
  summary: 'moves outliers of activations behind norms into the weights that read them; rounds nothing',
  paper: {
    title: 'SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models',
    authors: 'Xiao et al.',
    year: 2022,
    url: 'https://arxiv.org/abs/2211.10438',
  },
  differs: 'weights and activations are left to later steps to round; what is changed is stored as f32',
  exact: true,
  options: { alpha: fraction({ inclusive: true, default: 0.5, doc: 'how much of the range moves from activations to weights' }) },
  run: async (model, context, { alpha }) => {
    checkScalings('smooth-quant', model, hasNormScalings)
    const walk = { pass: 'smooth-quant', calibrated: true, follow: 'original', visits: hasNormScalings } as const
    return walkStages(model, context, walk, async visit => {
      const collected = await visit.statistics(largest, () => true)
      for (const scaling of fromNorms(visit.stage)) {
        const seen = await Promise.all(distinctStats<tf.Tensor>(scaling.sites, collected).map(({ stats }) => stats.data()))
        const weights = await weightMaxima(scaling, seen[0].length, visit)
        const scales = weights.map((weight, channel) => {
          const activation = Math.max(...seen.map(values => values[channel]))
          if (activation === 0) return 1 // no input came by to be smoothed
          return Math.max(activation, SMALLEST) ** alpha / Math.max(weight, SMALLEST) ** (1 - alpha)
        })
        await applyScaling(scaling, scales, visit)
      }
    })
  },
})
