import * as tf from '@tensorflow/tfjs-core'
import { hadamard } from './hadamard.js'

/** The orthogonal matrix diag(signs) · H / √order, with H = H₂ ⊗ … ⊗ H₂ ⊗ P, in blocks of `doublings · base` along the diagonal. */
export interface HadamardMatrix {
  /** (size) of ±1. */
  readonly signs: Float32Array
  readonly doublings: number
  readonly base: number
  /** P / √base, (base, base); absent where base is 1. */
  readonly matrix?: Float32Array
}

/** Each run of (rows, columns) numbers as (columns, rows). */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  if (rows === 1 || columns === 1) return values
  const result = new Float32Array(values.length)
  for (let run = 0; run < values.length; run += rows * columns)
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[run + c * rows + r] = values[run + r * columns + c]
  return result
}

/** x · P for runs of `base` numbers. */
async function times(values: Float32Array, { base, matrix }: HadamardMatrix): Promise<Float32Array> {
  if (!matrix) return values
  const product = tf.tidy(() => tf.matMul(tf.tensor2d(values, [values.length / base, base]), tf.tensor2d(matrix, [base, base])))
  try {
    return await product.data<'float32'>()
  } finally {
    product.dispose()
  }
}

/** Multiplies vectors of the rotation's size, one behind the other, by it from the right; a new array. */
export async function rotate(vectors: Float32Array, rotation: HadamardMatrix): Promise<Float32Array> {
  const { signs, doublings, base } = rotation
  const signed = vectors.map((value, at) => value * signs[at % signs.length])
  const runs = transposed(await times(signed, rotation), doublings, base) // (…, base, doublings)
  return transposed(hadamard(runs, doublings), base, doublings)
}

/** A matrix (rows, columns) whose `count` columns from `start` on are rotated, each row's by itself; a new array. */
export async function rotateColumns(
  matrix: Float32Array,
  columns: number,
  { start, count }: { readonly start: number; readonly count: number },
  rotation: HadamardMatrix,
): Promise<Float32Array> {
  const part = new Float32Array((matrix.length / columns) * count)
  for (let from = start, to = 0; to < part.length; from += columns, to += count) part.set(matrix.subarray(from, from + count), to)
  const turned = await rotate(part, rotation)
  const result = matrix.slice()
  for (let from = 0, to = start; from < part.length; from += count, to += columns) result.set(turned.subarray(from, from + count), to)
  return result
}
