export * from './gradients.js'
