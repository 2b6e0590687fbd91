/** tfjs's plain engine as selectEngine starts it: with the quick kernels of @tersor/kernels. */
const { join } = require('node:path')
module.exports = require(join(__dirname, '../node_modules/@tensorflow/tfjs-backend-cpu/dist/tf-backend-cpu.node.js'))
require('../packages/kernels/src/plain-engine/register.ts').registerPlainKernels()
