export * from './safetensors.js'
export * from './huggingface.js'
