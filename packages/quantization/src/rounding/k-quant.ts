import type * as tf from '@tensorflow/tfjs-core'
import { blocksToTree, boolean, choice, defineMethod, type Job } from '@tersor/core'
import { BLOCK_TYPES, blockTypeFor, columnSquares, quantizeBlocks, withoutGaps, type BlockTypeName } from '@tersor/kernels'

/** Those of ggml that llama-quantize searches for; mxfp4 is a method of its own. */
const TYPES = [
  ...(['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k', 'iq4_xs'] as const),
  ...(['iq4_nl', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0'] as const),
] satisfies readonly BlockTypeName[]

/** Each row filled up with zeros. */
const padded = (values: Float32Array, columns: number, width: number): Float32Array => {
  if (width === columns) return values
  const result = new Float32Array((values.length / columns) * width)
  for (let from = 0, to = 0; from < values.length; from += columns, to += width) result.set(values.subarray(from, from + columns), to)
  return result
}

/** The mean square of each column's inputs, as importance matrices hold it; undefined where the site saw none. */
const meanSquares = async ({ stats, samples }: Job<tf.Tensor>): Promise<Float32Array | undefined> => {
  if (samples === 0) return undefined
  const sums = withoutGaps(stats)
  try {
    return (await sums.data<'float32'>()).map(sum => sum / samples)
  } finally {
    sums.dispose()
  }
}

/**
 * K-quants: searches, for each group of a row, the scale and minimum of least weighted error, and rounds these to codes themselves.
 * ŵ = d · s · q − dmin · m for q2_k, q4_k and q5_k, d · s · q for q3_k and q6_k, q, s and m being codes, d and dmin halves for 256
 * columns; the types of blocks of 32 have a half for each s. Codes are those of ggml, bit for bit. With `importance` errors weigh
 * by E[x²] of their column. W: (out, in), x: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION with `importance`.
 * Kawrakow 2023, https://github.com/ggml-org/llama.cpp/pull/1684; importance: https://github.com/ggml-org/llama.cpp/pull/4861
 */
export const kQuant = defineMethod({
  name: 'k-quant',
  summary: "searches the scales of llama.cpp's block types, and the scales of these",
  paper: { title: 'k-quants', authors: 'Kawrakow', year: 2023, url: 'https://github.com/ggml-org/llama.cpp/pull/1684' },
  differs:
    'E[x²] is measured with the layers before already compressed; rows that fill no block of 32 are filled up with zeros, where llama.cpp keeps halves',
  options: {
    type: choice(TYPES, {
      default: 'q4_k',
      doc: 'block type of ggml: the k types in super-blocks of 256 columns, the others in blocks of 32',
    }),
    importance: boolean({ default: false, doc: 'whether columns weigh by the mean square of their inputs, which takes calibration' }),
  },
  check: ({ type, importance }) =>
    type === 'q8_0' && importance ? ['importance has no meaning when type is q8_0.', 'Leave one of the two out.'] : undefined,
  calibrate: ({ importance }) => (importance ? columnSquares : undefined),
  apply: async (weight, job, { type: wanted, importance }) => {
    const [, columns] = weight.shape
    const type = blockTypeFor(wanted, columns)
    if (type !== wanted) job.warn(`Rows of ${columns} columns do not fill blocks of 256: ${type} stands in for ${wanted}, as in llama.cpp.`)
    const { block } = BLOCK_TYPES[type]
    const width = Math.ceil(columns / block) * block
    const means = importance ? await meanSquares(job) : undefined
    const values = padded(await weight.data<'float32'>(), columns, width)
    const weights = means && { importance: padded(means, columns, width) }
    return blocksToTree(type, await quantizeBlocks(type, values, { ...weights, signal: job.signal }), weight.shape)
  },
})
