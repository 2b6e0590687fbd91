import * as tf from '@tensorflow/tfjs-core'
import { defineParametrization, factoredOf, integer, optional, positive, sumOf } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'

/** What is added to a weight. */
export const ADAPTER = {
  rank: integer({ min: 1, default: 8, doc: 'r: columns of U and rows of V' }),
  alpha: optional(positive({ doc: 'α: the product is multiplied by α / r; r where absent' })),
} as const

/**
 * LoRA: what stands at a site stays as it is, and a product of two thin matrices that is trained is added to it.
 * ŵ = w + α / r · U V, W: (out, in), U: (out, r) = 0, V: (r, in) ~ N(0, 1 / in). The weight may be any tree: over codes on a grid this is
 * QLoRA, and they stay bit for bit. Throws BAD_OPTION. Hu et al. 2021, https://arxiv.org/abs/2106.09685
 */
export const loraWeights = defineParametrization({
  name: 'lora-weights',
  summary: 'adds a product of two thin matrices that are trained to weights that stay as they are',
  paper: {
    title: 'LoRA: Low-Rank Adaptation of Large Language Models',
    authors: 'Hu et al.',
    year: 2021,
    url: 'https://arxiv.org/abs/2106.09685',
  },
  differs:
    'V begins with normal numbers of variance 1 / in, as the authors’ code has it but for the law; α / r is folded into U when it is stored',
  options: ADAPTER,
  make: ({ rank, alpha = rank }) => ({
    rewrites: 'whole',
    frozen: ['base'],
    init: (weight, _place, rng) => {
      const [rows, columns] = weight.shape as [number, number]
      const values = Float32Array.from({ length: rank * columns }, () => rng.normal() / Math.sqrt(columns))
      return { base: weight, u: tf.zeros([rows, rank]), v: tf.tensor2d(values, [rank, columns]) }
    },
    weight: ({ base, u, v }) => tf.add(base, tf.mul(tf.matMul(u as tf.Tensor2D, v as tf.Tensor2D), alpha / rank)),
    finish: async ({ u, v }, { current, dtype }) => {
      const [left, right] = [await u.data<'float32'>(), await v.data<'float32'>()]
      const scaled = left.map(value => (value * alpha) / rank)
      return sumOf(current, factoredOf(fromFloat32(scaled, dtype, u.shape), fromFloat32(right, dtype, v.shape)))
    },
  }),
})
