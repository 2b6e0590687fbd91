export * from './eora.js'
export * from './svd.js'
