import { CompressionError } from '@tersor/tensor'
import { TENSOR_TYPES, type BlockTypeName } from './tables/tensor-types.js'

const checkLength = (type: BlockTypeName, length: number, unit: number, what: string): void => {
  if (length % unit === 0) return
  throw new CompressionError('SHAPE', `${type} takes a multiple of ${unit} ${what}, got ${length}.`, 'Pass whole rows of a tensor.', {
    type,
    length,
  })
}

export interface EncodeOptions {
  /** A weight for each column, as an importance matrix holds them: `values` are then rows of so many columns. */
  readonly importance?: Float32Array
}

const checkImportance = (type: BlockTypeName, length: number, block: number, importance: Float32Array): void => {
  const columns = importance.length
  if (columns > 0 && columns % block === 0 && length % columns === 0) return
  throw new CompressionError(
    'SHAPE',
    `${length} values of ${type} are no rows of ${columns} columns in whole blocks of ${block}.`,
    'Pass one weight for each column of the tensor.',
    { type, length, columns },
  )
}

/**
 * Quantizes values to blocks, byte for byte as ggml_quantize_chunk does, with importance as it does with an importance matrix
 * (q8_0 and mxfp4 ignore it). Throws SHAPE for an incomplete block or row.
 */
export const encodeBlocks = (type: BlockTypeName, values: Float32Array, { importance }: EncodeOptions = {}): Uint8Array => {
  const { block, format } = TENSOR_TYPES[type]
  checkLength(type, values.length, block, 'values')
  if (importance) checkImportance(type, values.length, block, importance)
  return format.encode(values, importance)
}

/** The values of blocks; throws SHAPE for an incomplete block. */
export const decodeBlocks = (type: BlockTypeName, blocks: Uint8Array): Float32Array => {
  const { bytes, format } = TENSOR_TYPES[type]
  checkLength(type, blocks.length, bytes, 'bytes')
  return format.decode(blocks)
}
