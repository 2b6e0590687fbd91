/**
 * Jest's Node environment with the typed arrays of the outer realm.
 * Native addons (ONNX Runtime) make arrays there, and `instanceof` must hold for them inside a test.
 */
const { TestEnvironment } = require('jest-environment-node')

const SHARED = [
  'Float32Array',
  'Float64Array',
  'Int8Array',
  'Int16Array',
  'Int32Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Uint16Array',
  'Uint32Array',
  'BigInt64Array',
  'BigUint64Array',
  'ArrayBuffer',
  'SharedArrayBuffer',
  'DataView',
]

module.exports = class TypedArrayEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context)
    for (const name of SHARED) this.global[name] = globalThis[name]
  }
}
