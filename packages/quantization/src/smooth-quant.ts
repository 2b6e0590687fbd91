import * as tf from '@tensorflow/tfjs-core'
import { definePass, fraction, stagewise, type Scaling, type StageTurn } from '@tersor/core'
import { sizeOf, toFloat32 } from '@tersor/tensor'
import { applyScaling, checkScalings, distinctStats, hasNormScalings } from './scale-channels.js'

/** Below this, maxima count as this. */
const SMALLEST = 1e-5

const fromNorms = (turn: { readonly scalings?: readonly Scaling[] }): readonly Scaling[] =>
  (turn.scalings ?? []).filter(({ source }) => source === 'norm')

/** Largest magnitude of each input channel over all rows of all sites. */
const weightMaxima = async ({ sites }: Scaling, count: number, { read }: StageTurn): Promise<Float64Array> => {
  const maxima = new Float64Array(count)
  for (const { weight, inAxis } of sites) {
    const parameter = await read(weight)
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
    return stagewise(model, context, {
      name: 'smooth-quant',
      selects: hasNormScalings,
      calibrate: {
        init: (_site, columns) => tf.zeros([columns]),
        update: (most, x) => tf.maximum(most as tf.Tensor, tf.max(tf.abs(x), 0)), // (in)
      },
      change: async turn => {
        for (const scaling of fromNorms(turn.stage)) {
          const seen = await Promise.all(distinctStats<tf.Tensor>(scaling.sites, turn).map(({ stats }) => stats.data()))
          const weights = await weightMaxima(scaling, seen[0].length, turn)
          const scales = weights.map((weight, channel) => {
            const activation = Math.max(...seen.map(values => values[channel]))
            if (activation === 0) return 1 // no input came by to be smoothed
            return Math.max(activation, SMALLEST) ** alpha / Math.max(weight, SMALLEST) ** (1 - alpha)
          })
          await applyScaling(scaling, scales, turn)
        }
      },
    })
  },
})
