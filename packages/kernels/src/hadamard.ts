import { CompressionError } from '@tersor/tensor'
import { wasmKernels } from './wasm.js'

/** Numbers that are copied to WebAssembly at once. */
const CHUNK = 2 ** 20

/**
 * Multiplies each run of `block` numbers by the orthonormal Walsh-Hadamard matrix, H_{2n} = [[H, H], [H, −H]] / √2; a new array.
 * For a matrix with rows of a multiple of the block this is x · diag(H, …, H). It is its own inverse. Throws `SHAPE`.
 * Cost: log₂(block) additions a number in WebAssembly.
 */
export function hadamard(values: Float32Array, block: number): Float32Array {
  if (!Number.isInteger(Math.log2(block)) || values.length % block !== 0) {
    throw new CompressionError(
      'SHAPE',
      `A Hadamard transform of ${values.length} numbers cannot go by blocks of ${block}.`,
      'Pass a power of two that divides the length.',
      { length: values.length, block },
    )
  }
  const kernels = wasmKernels()
  const size = block * Math.max(1, Math.floor(CHUNK / block))
  const chunk = kernels.arena(4 * Math.min(size, values.length)).f32(Math.min(size, values.length))
  const result = new Float32Array(values.length)
  for (let start = 0; start < values.length; start += size) {
    const part = values.subarray(start, start + size)
    chunk.set(part)
    kernels.hadamardRows(chunk.byteOffset, part.length / block, block)
    result.set(chunk.subarray(0, part.length), start)
  }
  const scale = 1 / Math.sqrt(block)
  for (let at = 0; at < result.length; at++) result[at] *= scale
  return result
}
