import * as tf from '@tensorflow/tfjs-core'
import { choice, defineMethod, integer, sumOf, type Job } from '@tersor/core'
import { gram, symmetricEigen } from '@tersor/kernels'
import { CompressionError } from '@tersor/tensor'
import { factoredFrom, truncate, type Truncated } from './truncate.js'

/**
 * EoRA: adds a low-rank term that repairs what compression did, where the inputs are large.
 * Δ = W − Ŵ, C = XᵀX = Q Λ Qᵀ, S = Q √Λ; ΔS ≈ U_r Σ_r V_rᵀ; Ŵ + (U_r √Σ_r)(√Σ_r V_rᵀ S⁻¹), where S⁻¹ leaves out λ below λ_max · in · 2⁻²³.
 * W: (out, in), X: (tokens, in). Ŵ stays as it is stored. Throws BAD_OPTION, NO_CALIBRATION, COMPOSITION where nothing was compressed.
 * Liu et al. 2024, https://arxiv.org/abs/2410.21271
 */
export const eora = defineMethod({
  name: 'eora',
  summary: 'repairs a compressed weight with a low-rank term, where the inputs are large',
  paper: {
    title: 'EoRA: Fine-tuning-free Compensation for Compressed LLM with Eigenspace Low-Rank Approximation',
    authors: 'Liu et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2410.21271',
  },
  differs:
    'C is a plain sum over tokens, not a decayed one; where a block’s sites follow one another, inputs are those of the compressed sites before, where the authors’ code takes the dense block’s',
  options: {
    rank: integer({ min: 1, default: 32, doc: 'rank of the repair, at most the smaller side of the weight' }),
    space: choice(['eigen', 'plain'], { default: 'eigen', doc: 'eigen weighs errors by the inputs; plain is the SVD of the error itself' }),
  },
  calibrate: gram,
  rewrites: 'whole',
  apply: async (weight, job, { rank, space }) => {
    if (job.current.kind === 'dense') {
      throw new CompressionError(
        'COMPOSITION',
        `eora at ${job.site.name}: nothing was compressed there yet.`,
        'Put it after the step whose error it should repair.',
        { site: job.site.name },
      )
    }
    const [rows, columns] = weight.shape
    const error = await errorOf(weight, job)
    const repair =
      space === 'plain' || job.samples === 0
        ? await truncate(error, rows, columns, rank)
        : await repairIn(await eigenspace(job.stats), error, rows, columns, rank)
    return sumOf(job.current, factoredFrom(job.dtype, repair, rows, columns))
  },
})

/** W − Ŵ, (out, in). */
const errorOf = async (weight: tf.Tensor2D, job: Job<any>): Promise<Float32Array> => {
  const original = await job.original()
  const difference = tf.sub(original, weight)
  try {
    return Float32Array.from(await difference.data<'float32'>())
  } finally {
    tf.dispose([original, difference])
  }
}

/** S and S⁻¹ of a second moment C = S Sᵀ, as (in, in) row-major. */
interface Space {
  readonly root: Float32Array
  readonly inverse: Float32Array
}

const eigenspace = async (moment: tf.Tensor2D): Promise<Space> => {
  const n = moment.shape[0]
  const { values, vectors } = await symmetricEigen(await moment.data(), n)
  const cutoff = values[n - 1] * Math.min(1, n * 2 ** -23)
  const root = new Float32Array(n * n)
  const inverse = new Float32Array(n * n)
  for (let i = 0; i < n; i++) {
    const scale = values[i] > cutoff ? Math.sqrt(values[i]) : 0
    for (let j = 0; j < n; j++) {
      root[j * n + i] = vectors[i * n + j] * scale // column i of Q √Λ
      inverse[i * n + j] = scale === 0 ? 0 : vectors[i * n + j] / scale // row i of Λ^−½ Qᵀ
    }
  }
  return { root, inverse }
}

/** The rank-r term that brings ΔS closest to zero. */
const repairIn = async ({ root, inverse }: Space, error: Float32Array, rows: number, columns: number, rank: number): Promise<Truncated> => {
  const turned = await multiply(error, [rows, columns], root, [columns, columns])
  const cut = await truncate(turned, rows, columns, rank)
  return { ...cut, right: await multiply(cut.right, [cut.rank, columns], inverse, [columns, columns]) }
}

const multiply = async (a: Float32Array, aShape: [number, number], b: Float32Array, bShape: [number, number]): Promise<Float32Array> => {
  const product = tf.tidy(() => tf.matMul(tf.tensor2d(a, aShape), tf.tensor2d(b, bShape)))
  try {
    return Float32Array.from(await product.data<'float32'>())
  } finally {
    product.dispose()
  }
}
