export * from './random-pruning.js'
