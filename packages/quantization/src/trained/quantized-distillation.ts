import * as tf from '@tensorflow/tfjs-core'
import { decode, defineParametrization, integer, ranged } from '@tersor/core'
import { through } from '@tersor/kernels/through'
import { encoded } from '@tersor/tensor'
import { inBuckets, outOfBuckets, rangesOf, storedCodes, storedNumbers } from './buckets.js'

/** The nearest of 2^bits points from the least to the largest weight of each bucket, by its number. */
const codesIn = (buckets: tf.Tensor, minimum: tf.Tensor, step: tf.Tensor, bits: number): tf.Tensor =>
  tf.clipByValue(tf.round(tf.div(tf.sub(buckets, minimum), step)), 0, 2 ** bits - 1)

/** β + s · round((w − β) / s), s = (max w − β) / (2^b − 1), β = min w of each bucket; (out, in). */
export const onUniformLevels = (weight: tf.Tensor, bits: number, bucket: number): tf.Tensor => {
  const buckets = inBuckets(weight, bucket)
  const { minimum, extent } = rangesOf(buckets)
  const step = tf.div(extent, 2 ** bits - 1)
  return outOfBuckets(tf.add(tf.mul(codesIn(buckets, minimum, step, bits), step), minimum), weight.shape)
}

/**
 * Quantized distillation: a student learns from a teacher with its weights on even points between the least and the largest of each bucket.
 * ŵ = β + α round((2^b − 1) (w − β) / α) / (2^b − 1), α = max w − min w, β = min w of a bucket, W: (out, in), straight through.
 * Throws BAD_OPTION. Polino et al. 2018, https://arxiv.org/abs/1802.05668
 */
export const quantizedDistillation = defineParametrization({
  name: 'quantized-distillation',
  summary: 'trains weights on even points between the least and the largest of each bucket, to be taught by a larger network',
  paper: {
    title: 'Model compression via distillation and quantization',
    authors: 'Polino et al.',
    year: 2018,
    url: 'https://arxiv.org/abs/1802.05668',
    section: 'section 3',
  },
  differs:
    'buckets end with the rows of a matrix; biases and norms stay floats; what is taught is a term of its own, whose divergence is the mean over rows and not over rows and classes',
  options: {
    bits: integer({ min: 1, max: 8, default: 4, doc: 'bits of a code' }),
    bucket: integer({ min: 1, default: 256, doc: 'columns that share their least and their largest weight' }),
  },
  make: ({ bits, bucket }) => ({
    init: weight => ({ weight }),
    weight: ({ weight }) => through(onUniformLevels(weight, bits, bucket), weight),
    finish: async ({ weight }) => {
      const { minimum: low, extent } = tf.tidy(() => ({ ...rangesOf(inBuckets(weight, bucket)) }))
      const step = tf.tidy(() => tf.div(extent, 2 ** bits - 1))
      try {
        const [scale, minimum] = [await storedNumbers(step), await storedNumbers(low)]
        const codes = tf.tidy(() => {
          const [low, step] = [minimum, scale].map(stored => tf.expandDims(decode(stored), 2))
          return tf.cast(outOfBuckets(codesIn(inBuckets(weight, bucket), low, step, bits), weight.shape), 'int32')
        })
        try {
          return encoded(ranged, weight.shape, { data: await storedCodes(codes, bits), scale, minimum }, { group: bucket })
        } finally {
          codes.dispose()
        }
      } finally {
        tf.dispose([low, extent, step])
      }
    },
  }),
})
