import * as tf from '@tensorflow/tfjs-core'
import { packBits } from '@tersor/tensor'
import { packedMatMul } from './packed-mat-mul.js'
import { blockMatrix, type BlockMatrix, type PackedMatrix } from './packed-matrix.js'

export interface PackedProductOptions {
  /**
   * 'float32' (the default) computes as with unpacked weights, as runtimes that keep activations do. 'int8' lets the engine round activations
   * to 8 bits, block by block, as llama.cpp does: up to three times as fast, each product off by some thousandths of its largest value.
   */
  readonly activations?: 'int8' | 'float32'
}

/** A weight that is multiplied without being unpacked. */
export interface PackedProduct {
  /** x · Wᵀ: (count, columns) → (count, rows). */
  multiply(x: tf.Tensor2D): tf.Tensor2D
  dispose(): void
}

/** The kernel of @tersor/backend-ort. */
const NATIVE = 'OrtMatMulNBits'
const INT8 = 4
const FLOAT32 = 1
/** The one width that ONNX Runtime multiplies in float32 without unpacking the matrix each time. */
const FLOAT32_BITS = 4
/** Backends whose tensors lie in memory that JavaScript reads at once. */
const ON_HOST = ['cpu', 'wasm']

/** Zeros as packed as the codes, each row beginning a byte; a number of blocks that fills no byte is padded. */
const packZeros = ({ rows, blocks, bits }: BlockMatrix, zeros: Uint8Array): tf.Tensor => {
  const bytes = Math.ceil((blocks * bits) / 8)
  const packed = new Uint8Array(rows * bytes)
  for (let row = 0; row < rows; row++) packed.set(packBits(zeros.subarray(row * blocks, (row + 1) * blocks), bits), row * bytes)
  return tf.tensor(packed, [rows, bytes], 'bool')
}

const native = (matrix: BlockMatrix, level: number): PackedProduct => {
  const { rows, blocks, block, bits, codes, scales, zeros } = matrix
  const tensors: tf.NamedTensorMap = {
    codes: tf.tensor(codes, [rows, blocks, (block * bits) / 8], 'bool'),
    scales: tf.tensor2d(scales, [rows, blocks]),
    ...(zeros && { zeros: packZeros(matrix, zeros) }),
  }
  for (const tensor of Object.values(tensors)) tf.keep(tensor)
  return {
    multiply: x => tf.engine().runKernel(NATIVE, { x, ...tensors }, { bits, level }) as tf.Tensor2D,
    dispose: () => tf.dispose(tensors),
  }
}

const onHost = (matrix: BlockMatrix): PackedProduct => {
  const product = packedMatMul(matrix)
  return {
    multiply: x => tf.tensor2d(product(x.dataSync<'float32'>(), x.shape[0]), [x.shape[0], matrix.rows]),
    dispose: () => {},
  }
}

/**
 * Keeps a matrix packed for products with it, on the engine that tfjs uses now: @tersor/backend-ort has native kernels for batches of any
 * size, the CPU and WebAssembly backends take `packedMatMul`. Undefined where neither would be faster than the unpacked matrix: on GPUs,
 * with groups that are no multiple of 16, and in float32 on @tersor/backend-ort for other widths than 3 and 4 bits.
 */
export const packedProduct = (matrix: PackedMatrix, { activations = 'float32' }: PackedProductOptions = {}): PackedProduct | undefined => {
  const isNative = tf.getKernel(NATIVE, tf.getBackend()) !== undefined
  if (!isNative && !ON_HOST.includes(tf.getBackend())) return undefined
  const blocks = blockMatrix(matrix)
  if (blocks === undefined) return undefined
  if (!isNative) return onHost(blocks)
  if (activations === 'float32' && blocks.bits !== FLOAT32_BITS) return undefined
  return native(blocks, activations === 'int8' ? INT8 : FLOAT32)
}
