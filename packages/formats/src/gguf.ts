export { openGguf, PROVENANCE_KEY, type Gguf } from './gguf/open.js'
export { ggufSink, type GgufReport, type GgufSink, type GgufSinkOptions } from './gguf/sink.js'
export { decodeBlocks, encodeBlocks, encodeIq4NlReference, type EncodeOptions } from '@tersor/kernels/blocks'
export {
  MAX_ALIGNMENT,
  MAX_DIMENSIONS,
  MAX_GGUF_HEADER_BYTES,
  MAX_LIST_LENGTH,
  MAX_TENSOR_NAME_BYTES,
  parseGgufHeader,
  type GgufHeader,
  type GgufTensor,
  type GgufValue,
  type Metadata,
} from './gguf/header.js'
export { MAX_STRING_BYTES } from './gguf/cursor.js'
export { TENSOR_TYPES, type BlockTypeName, type TensorTypeName } from './gguf/tables/tensor-types.js'
export { ARCHITECTURES as GGUF_ARCHITECTURES } from './gguf/tables/architectures.js'
export { MIXTURES, type MixtureName } from './gguf/tables/mixtures.js'
export { plannedTensor } from './gguf/planned-type.js'
export { MATRIX_TYPES } from './gguf/sink-options.js'
export type { Fallback } from './gguf/store-tensor.js'
export { GGUF_READING } from './gguf/reading.js'
