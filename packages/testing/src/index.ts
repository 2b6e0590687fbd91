export * from './pico-model.js'
export * from './describe-method.js'
export * from './describe-codec.js'
export * from './run-method.js'
