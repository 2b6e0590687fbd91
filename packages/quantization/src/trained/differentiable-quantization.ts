import * as tf from '@tensorflow/tfjs-core'
import { defineParametrization, integer, levelsTree } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'
import { inBuckets, outOfBuckets, rangesOf, storedCodes, storedNumbers } from './buckets.js'

/** The number of the nearest point, of two as near the first: x (out, in), points (count) → int32 (out, in). */
const nearest = (x: tf.Tensor, points: tf.Tensor): tf.Tensor => tf.argMin(tf.abs(tf.sub(tf.expandDims(x, 2), points)), 2)

/** The nearest point of each x; the gradient of a point is the sum over those that took it. */
export const atPoints = (x: tf.Tensor, points: tf.Tensor): tf.Tensor =>
  tf.customGrad((points, save) => {
    const taken = nearest(x, points as tf.Tensor)
    ;(save as (tensors: tf.Tensor[]) => void)([taken, points as tf.Tensor])
    return {
      value: tf.gather(points as tf.Tensor, taken),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        tf.unsortedSegmentSum(tf.reshape(dy, [-1]), tf.reshape(saved[0], [-1]) as tf.Tensor1D, saved[1].size),
    }
  })(points)

/** Points at the shares 0, 1 / (count − 1) … 1 of all values, from the least to the largest. */
const quantilesOf = (x: tf.Tensor, count: number): tf.Tensor => {
  const ascending = tf.neg(tf.topk(tf.neg(tf.reshape(x, [-1])), x.size).values)
  const places = Array.from({ length: count }, (_, i) => Math.round((i / (count - 1)) * (x.size - 1)))
  return tf.gather(ascending, places)
}

/**
 * Differentiable quantization: weights stay where they are, and the points that they are rounded to are learned.
 * ŵ = β + α p[c], c = argmin |(w − β) / α − p|, α = max w − min w, β = min w of a bucket; ∂L/∂p_j = Σ_{c = j} α ∂L/∂ŵ, W: (out, in), p: (2^b).
 * Throws BAD_OPTION. Polino et al. 2018, https://arxiv.org/abs/1802.05668
 */
export const differentiableQuantization = defineParametrization({
  name: 'differentiable-quantization',
  summary: 'learns the points that weights are rounded to, and leaves the weights where they are',
  paper: {
    title: 'Model compression via distillation and quantization',
    authors: 'Polino et al.',
    year: 2018,
    url: 'https://arxiv.org/abs/1802.05668',
    section: 'section 4',
  },
  differs: 'buckets end with the rows of a matrix; all weights have as many points, and codes are not Huffman-coded',
  options: {
    bits: integer({ min: 1, max: 4, default: 2, doc: 'bits of a code: each matrix has 2^bits points' }),
    bucket: integer({ min: 1, default: 256, doc: 'columns that share their least and their largest weight' }),
  },
  make: ({ bits, bucket }) => ({
    frozen: ['scaled', 'extent', 'minimum'],
    init: weight => {
      const buckets = inBuckets(weight, bucket)
      const { minimum, extent } = rangesOf(buckets)
      const scaled = outOfBuckets(tf.div(tf.sub(buckets, minimum), extent), weight.shape) // 0 … 1
      return { scaled, extent, minimum, points: quantilesOf(scaled, 2 ** bits) }
    },
    weight: ({ scaled, extent, minimum, points }) => {
      const made = tf.add(tf.mul(inBuckets(atPoints(scaled, points), bucket), extent), minimum)
      return outOfBuckets(made, scaled.shape)
    },
    finish: async ({ scaled, extent, minimum, points }) => {
      const sorted = Float32Array.from(await points.data<'float32'>()).sort()
      const codes = tf.tidy(() => nearest(scaled, tf.tensor1d(sorted)))
      try {
        const [scale, low] = [await storedNumbers(extent), await storedNumbers(minimum)]
        return levelsTree({
          ...{ shape: scaled.shape, group: bucket, data: await storedCodes(codes, bits), levels: fromFloat32(sorted, 'f32', points.shape) },
          ...{ scale, minimum: low },
        })
      } finally {
        codes.dispose()
      }
    },
  }),
})
