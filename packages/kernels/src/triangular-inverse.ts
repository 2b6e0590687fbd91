import * as tf from '@tensorflow/tfjs-core'
import { tensorOfBlock, writeBlock, type MatrixBlock } from './matrix-block.js'
import { wasmKernels, type WasmKernels } from './wasm.js'

/** Matrices up to this size are inverted in doubles by one WebAssembly kernel. */
const LEAF = 128

/**
 * Gives X = L⁻¹ of a lower triangular L, (n, n) row-major; the upper half of L must be zero.
 * By halves: X₁₁ = L₁₁⁻¹, X₂₂ = L₂₂⁻¹, X₂₁ = −X₂₂ · L₂₁ · X₁₁, with the products on the engine in float32.
 * Cost: n³/3 multiply-adds, half of them with zeros, and n·LEAF²/6 in WebAssembly.
 */
export async function triangularInverse(lower: Float32Array, n: number, kernels = wasmKernels()): Promise<Float32Array> {
  const inverse = new Float32Array(n * n)
  await invert(lower, inverse, n, 0, n, kernels)
  return inverse
}

/** Writes the inverse of the square of `size` that begins at (start, start). */
async function invert(
  lower: Float32Array,
  inverse: Float32Array,
  n: number,
  start: number,
  size: number,
  kernels: WasmKernels,
): Promise<void> {
  if (size <= LEAF) return invertLeaf(lower, inverse, n, start, size, kernels)
  const half = LEAF * Math.ceil(size / LEAF / 2)
  const [middle, rest] = [start + half, size - half]
  await invert(lower, inverse, n, start, half, kernels)
  await invert(lower, inverse, n, middle, rest, kernels)
  const block = (values: Float32Array, row: number, column: number, rows: number, columns: number): MatrixBlock => {
    return { values, stride: n, row, column, rows, columns }
  }
  const product = tf.tidy(() => {
    const left = tf.matMul(
      tensorOfBlock(block(inverse, middle, middle, rest, rest)),
      tensorOfBlock(block(lower, middle, start, rest, half)),
    )
    return tf.neg(tf.matMul(left, tensorOfBlock(block(inverse, start, start, half, half)))) as tf.Tensor2D // (rest, half)
  })
  await writeBlock(block(inverse, middle, start, rest, half), product)
}

function invertLeaf(lower: Float32Array, inverse: Float32Array, n: number, start: number, size: number, kernels: WasmKernels): void {
  const arena = kernels.arena(16 * size * size + 32)
  const [square, result] = [arena.f64(size * size), arena.f64(size * size).fill(0)]
  for (let row = 0; row < size; row++) {
    const from = (start + row) * n + start
    square.set(lower.subarray(from, from + size), row * size)
  }
  kernels.invertLower(square.byteOffset, result.byteOffset, size)
  for (let row = 0; row < size; row++) inverse.set(result.subarray(row * size, row * size + row + 1), (start + row) * n + start)
}
