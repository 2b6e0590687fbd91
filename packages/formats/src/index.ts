export * from './safetensors.js'
export * from './huggingface.js'
export * from './gguf.js'
export * from './imatrix.js'
