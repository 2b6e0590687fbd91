import { CompressionError } from '@tersor/tensor'
import { TENSOR_TYPES, type BlockTypeName } from './tables/tensor-types.js'

const checkLength = (type: BlockTypeName, length: number, unit: number, what: string): void => {
  if (length % unit === 0) return
  throw new CompressionError('SHAPE', `${type} takes a multiple of ${unit} ${what}, got ${length}.`, 'Pass whole rows of a tensor.', {
    type,
    length,
  })
}

/** Quantizes values to blocks, byte for byte as ggml's reference; throws SHAPE for an incomplete block. */
export const encodeBlocks = (type: BlockTypeName, values: Float32Array): Uint8Array => {
  const { block, format } = TENSOR_TYPES[type]
  checkLength(type, values.length, block, 'values')
  return format.encode(values)
}

/** The values of blocks; throws SHAPE for an incomplete block. */
export const decodeBlocks = (type: BlockTypeName, blocks: Uint8Array): Float32Array => {
  const { bytes, format } = TENSOR_TYPES[type]
  checkLength(type, blocks.length, bytes, 'bytes')
  return format.decode(blocks)
}
