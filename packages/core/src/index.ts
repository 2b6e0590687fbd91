export * from './model.js'
export * from './provenance.js'
export * from './method.js'
export * from './rng.js'
