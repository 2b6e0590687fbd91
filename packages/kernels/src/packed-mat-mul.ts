import type { BlockMatrix } from './packed-matrix.js'
import { wasmKernels } from './wasm.js'

/** Rows of x in the memory of the kernel at once. */
const AT_ONCE = 16
const VIEWS = 6
const BYTES_BETWEEN_VIEWS = 16

/** scale · zero of each block: what the sum of x is taken times and away. */
const offsetsOf = ({ bits, scales, zeros }: BlockMatrix, offsets: Float32Array): void => {
  for (let i = 0; i < offsets.length; i++) offsets[i] = scales[i] * (zeros ? zeros[i] : 2 ** (bits - 1))
}

/**
 * Prepares y = x · Wᵀ with W packed in 2, 4 or 8 bits, in float32 by WebAssembly SIMD: x (count, columns), result (count, rows).
 * W is copied into a memory that the function holds and is never unpacked as a whole.
 * Cost: 1.5 instructions for each weight and row of x, on one thread, and memory of the codes and 8 bytes for each block. In 4 bits one
 * row of x takes twice the time of an unpacked product in SIMD where W would lie in the caches (2048²), no more where it would not (4096²).
 */
export const packedMatMul = (matrix: BlockMatrix): ((x: Float32Array, count: number) => Float32Array) => {
  const { rows, columns, blocks, block, bits, codes, scales } = matrix
  const padded = blocks * block
  const kernels = wasmKernels()
  const floats = AT_ONCE * (padded + rows) + 2 * rows * blocks + blocks
  const arena = kernels.arena(4 * floats + codes.length + VIEWS * BYTES_BETWEEN_VIEWS)
  const [input, output] = [arena.f32(AT_ONCE * padded), arena.f32(AT_ONCE * rows)]
  const [held, scale, offset, sums] = [arena.u8(codes.length), arena.f32(rows * blocks), arena.f32(rows * blocks), arena.f32(blocks)]
  held.set(codes)
  scale.set(scales)
  offsetsOf(matrix, offset)
  input.fill(0)
  const run = (count: number): void => {
    const weights = [held.byteOffset, bits, rows, blocks, block, scale.byteOffset, offset.byteOffset, sums.byteOffset] as const
    kernels.multiplyPacked(input.byteOffset, count, ...weights, output.byteOffset)
  }
  return (x, count) => {
    const y = new Float32Array(count * rows)
    for (let from = 0; from < count; from += AT_ONCE) {
      const part = Math.min(AT_ONCE, count - from)
      for (let m = 0; m < part; m++) input.set(x.subarray((from + m) * columns, (from + m + 1) * columns), m * padded)
      run(part)
      y.set(output.subarray(0, part * rows), from * rows)
    }
    return y
  }
}
