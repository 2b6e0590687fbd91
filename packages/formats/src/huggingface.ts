export { openHuggingFace, type HuggingFaceFolder } from './huggingface/open.js'
export type { Json } from './json-text.js'
export { huggingFaceSink, type HuggingFaceSinkOptions } from './huggingface/sink.js'
export { MAX_CONFIG_BYTES, MAX_CONFIG_DEPTH, MAX_SIDE_FILE_BYTES, SIDE_FILES } from './huggingface/files.js'
