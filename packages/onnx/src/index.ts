export * from './file.js'
export * from './model.js'
export * from './decoder.js'
export * from './encoder.js'
