export { openSafetensors, type OpenOptions, type SafetensorsStore } from './safetensors/open.js'
export { safetensorsSink, type SafetensorsSink, type SafetensorsSinkOptions } from './safetensors/sink.js'
export {
  MAX_AXES,
  MAX_HEADER_BYTES,
  MAX_HEADER_DEPTH,
  parseSafetensorsHeader,
  safetensorsHeaderBytes,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors/header.js'
export { MAX_TREE_DEPTH } from './safetensors/tree.js'
export { MAX_INDEX_BYTES, MAX_SHARDS } from './safetensors/shards.js'
export type { FileSystem, OpenFile } from './files/file-system.js'
