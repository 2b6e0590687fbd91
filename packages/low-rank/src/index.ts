export * from './eora.js'
export * from './svd.js'
export { loraWeights } from './lora-weights.js'
export * from './lora.js'
