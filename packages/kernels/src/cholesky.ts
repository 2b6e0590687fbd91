import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { lendArray } from './lend-array.js'
import { copyOfBlock, tensorOfBlock, writeBlock, type MatrixBlock } from './matrix-block.js'
import { triangularInverse } from './triangular-inverse.js'
import { wasmKernels, type WasmKernels } from './wasm.js'

/** Matrices up to this size are factored in doubles by one WebAssembly kernel. */
const LEAF = 128
/** Larger ones go by panels of this width, whose own squares go by panels of `LEAF`. */
const PANEL = 512

/**
 * Gives the lower factor L of a symmetric positive definite A = L·Lᵀ, (n, n) row-major; only the lower half of A is read.
 * Left-looking by panels: a panel loses its product with the finished columns, its square is factored in the same way, and the
 * rows below are multiplied by the inverse of that. Products run on the engine in float32, squares up to 128 in doubles on the host.
 * Throws `NOT_POSITIVE_DEFINITE`. Cost: n³/6 multiply-adds and n²·PANEL/2 for the rows below, 2 ‰ of it outside the engine at 4096.
 */
export async function cholesky(a: ArrayLike<number>, n: number): Promise<Float32Array> {
  const lower = new Float32Array(n * n)
  if (a instanceof Float32Array) for (let row = 0; row < n; row++) lower.set(a.subarray(row * n, row * n + row + 1), row * n)
  else for (let row = 0; row < n; row++) for (let at = row * n; at <= row * n + row; at++) lower[at] = a[at]
  await factor(lower, n, 0, n, wasmKernels())
  return lower
}

/** As `cholesky`, in the place of A itself. */
export async function choleskyInPlace(a: Float32Array, n: number): Promise<Float32Array> {
  for (let row = 0; row < n; row++) a.fill(0, row * n + row + 1, (row + 1) * n)
  await factor(a, n, 0, n, wasmKernels())
  return a
}

/** Factors the square of `size` that begins at (start, start), in place. */
async function factor(lower: Float32Array, n: number, start: number, size: number, kernels: WasmKernels): Promise<void> {
  if (size <= LEAF) return factorLeaf(lower, n, start, size, kernels)
  const width = size > 2 * PANEL ? PANEL : LEAF
  const end = start + size
  const block = (row: number, column: number, bottom: number, right: number): MatrixBlock => {
    return { values: lower, stride: n, row, column, rows: bottom - row, columns: right - column }
  }
  const scratch = new Float32Array((size / 2) ** 2) // as large as any copy of finished columns
  for (let at = start; at < end; at += width) {
    const next = Math.min(at + width, end)
    const square = block(at, at, next, next)
    const finished = at > start ? tensorOfBlock(block(at, start, next, at)) : null // (width, at − start)
    try {
      if (finished) await writeBlock(square, subtractProduct(square, finished, finished))
      for (let row = at; row < next; row++) lower.fill(0, row * n + row + 1, row * n + next) // the product is a whole square
      await factor(lower, n, at, next - at, kernels)
      const below = { rows: block(next, at, end, next), left: block(next, start, end, at), scratch }
      if (next < end) await solveBelow(below, square, finished, kernels)
    } finally {
      finished?.dispose()
    }
  }
}

/** What lies below a square, and the finished columns to the left of it. */
interface Below {
  readonly rows: MatrixBlock
  readonly left: MatrixBlock
  readonly scratch: Float32Array
}

/** block − a · bᵀ. */
const subtractProduct = (block: MatrixBlock, a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D =>
  tf.tidy(() => tf.sub(tensorOfBlock(block), tf.matMul(a, b, false, true)) as tf.Tensor2D)

/** rows ← (rows − left · finishedᵀ) · L⁻ᵀ, where finished lies to the left of the square. */
async function solveBelow(
  { rows, left, scratch }: Below,
  square: MatrixBlock,
  finished: tf.Tensor2D | null,
  kernels: WasmKernels,
): Promise<void> {
  const width = square.rows
  const inverse = await triangularInverse(copyOfBlock(square), width, kernels)
  const solved = tf.tidy(() => {
    const rest: tf.Tensor2D = finished ? subtractProduct(rows, tensorOfBlock(left, scratch), finished) : tensorOfBlock(rows)
    return tf.matMul(rest, lendArray(inverse, [width, width]), false, true) as tf.Tensor2D // (rows, width)
  })
  await writeBlock(rows, solved)
}

function factorLeaf(lower: Float32Array, n: number, start: number, size: number, kernels: WasmKernels): void {
  const square = kernels.arena(8 * size * size).f64(size * size)
  for (let row = 0; row < size; row++) {
    const from = (start + row) * n + start
    square.set(lower.subarray(from, from + size), row * size)
  }
  const failed = kernels.choleskyInPlace(square.byteOffset, size)
  if (failed >= 0) throw notPositiveDefinite(start + failed, square[failed * size + failed])
  for (let row = 0; row < size; row++) {
    const to = (start + row) * n + start
    lower.fill(0, to, to + size)
    lower.set(square.subarray(row * size, row * size + row + 1), to)
  }
}

function notPositiveDefinite(index: number, pivot: number): CompressionError {
  return new CompressionError(
    'NOT_POSITIVE_DEFINITE',
    `The matrix is not positive definite: pivot ${index} is ${pivot}.`,
    'Raise the damping, calibrate with more data, or look for NaN in the inputs.',
    { index, pivot },
  )
}
