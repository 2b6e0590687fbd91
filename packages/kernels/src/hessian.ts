import * as tf from '@tensorflow/tfjs-core'
import { inverseCholeskyUpper } from './inverse-cholesky-upper.js'

/** The second moment of a site's inputs as a calibration: H ← H + XᵀX, X: (tokens, in), H: (in, in). */
export const gram = {
  init: (_site: unknown, columns: number): tf.Tensor2D => tf.zeros([columns, columns]),
  update: (sum: tf.Tensor2D, x: tf.Tensor2D): tf.Tensor2D => tf.add<tf.Tensor2D>(sum, tf.matMul(x, x, true, false)),
}

/** The squares of each column of a site's inputs as a calibration: s ← s + Σ x², x: (tokens, in), s: (in). */
export const columnSquares = {
  init: (_site: unknown, columns: number): tf.Tensor1D => tf.zeros([columns]),
  update: (sum: tf.Tensor1D, x: tf.Tensor2D): tf.Tensor1D => tf.add<tf.Tensor1D>(sum, tf.sum(tf.square(x), 0)),
}

/**
 * Sums over inputs, (in), with the mean of the others where an input never came, or 1 where none did: what calibration never saw is
 * then taken for usual, and not for worthless.
 */
export const withoutGaps = (sums: tf.Tensor): tf.Tensor =>
  tf.tidy(() => {
    const reached = tf.cast(tf.greater(sums, 0), 'float32')
    const count = tf.sum(reached)
    const mean = tf.div(tf.sum(sums), tf.maximum(count, 1))
    const usual = tf.add(mean, tf.cast(tf.equal(count, 0), 'float32'))
    return tf.add(sums, tf.mul(tf.sub(1, reached), usual))
  })

/**
 * H with damping · mean(diag H) added to its diagonal, (in, in) row-major, which is the caller's; damping: a fraction. Columns that no
 * input reached get the mean of the others first, or 1 where none was reached: they take part as columns of usual inputs that go along
 * with no other, and so are rounded by themselves. An input that calibration never had may come later.
 */
const damped = async (hessian: tf.Tensor2D, damping: number): Promise<Float32Array> => {
  const n = hessian.shape[0]
  const values = (await hessian.data<'float32'>()).slice()
  let [trace, reached] = [0, 0]
  for (let j = 0; j < n; j++) {
    trace += values[j * n + j]
    if (values[j * n + j] > 0) reached++
  }
  const mean = reached > 0 ? trace / reached : 1
  for (let j = 0; j < n; j++) values[j * n + j] = (values[j * n + j] || mean) + damping * mean
  return values
}

/** The factor of a damped Hessian as `columnSweep` takes it. */
export interface HessianFactor {
  /** U with H⁻¹ = UᵀU, upper triangular, (in, in) row-major, of the columns in the order of the sweep. */
  readonly upper: Float32Array
  /** Where each column of the sweep stands in the weight; absent where they go in their own order. */
  readonly order?: Uint32Array
}

/** Columns by falling diagonal of H, ties in their own order. */
const byDiagonal = (hessian: Float32Array, n: number): Uint32Array =>
  Uint32Array.from({ length: n }, (_, j) => j).sort((a, b) => hessian[b * n + b] - hessian[a * n + a] || a - b)

const permuted = (hessian: Float32Array, order: Uint32Array): Float32Array => {
  const n = order.length
  const result = new Float32Array(hessian.length)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) result[i * n + j] = hessian[order[i] * n + order[j]]
  return result
}

/** Factors by Hessian: sites that see one tensor share both. */
const factors = new WeakMap<tf.Tensor, Map<string, Promise<HessianFactor>>>()

/**
 * The factor of H + damping · mean(diag H) · I, columns without inputs taken for usual ones as in `damped`; `byInput` puts columns with
 * the largest inputs first. H: (in, in), which stays as it is; damping: a fraction. What it gives is kept as long as H and shared by all
 * who ask: nobody writes to it. Throws as `inverseCholeskyUpper` does.
 */
export const hessianFactor = (
  hessian: tf.Tensor2D,
  damping: number,
  { byInput = false }: { readonly byInput?: boolean } = {},
): Promise<HessianFactor> => {
  const known = factors.get(hessian) ?? new Map<string, Promise<HessianFactor>>()
  factors.set(hessian, known)
  const key = `${damping} ${byInput}`
  const found = known.get(key) ?? factorOf(hessian, damping, byInput)
  known.set(key, found)
  return found
}

const factorOf = async (hessian: tf.Tensor2D, damping: number, byInput: boolean): Promise<HessianFactor> => {
  const n = hessian.shape[0]
  const values = await damped(hessian, damping)
  if (!byInput) return { upper: await inverseCholeskyUpper(values, n) }
  const order = byDiagonal(values, n)
  return { upper: await inverseCholeskyUpper(permuted(values, order), n), order }
}
