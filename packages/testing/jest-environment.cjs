/**
 * Jest's Node environment with the typed arrays of the outer realm.
 * Native addons (ONNX Runtime) make arrays there, and `instanceof` must hold for them inside a test.
 * Jest also leaves an AsyncLocalStorage of each file enabled, which every promise of all later files pays for: they end with the file.
 */
const asyncHooks = require('node:async_hooks')
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
    const { AsyncLocalStorage } = asyncHooks
    const made = []
    asyncHooks.AsyncLocalStorage = class extends AsyncLocalStorage {
      constructor(...given) {
        super(...given)
        made.push(this)
      }
    }
    this.endStorages = () => {
      asyncHooks.AsyncLocalStorage = AsyncLocalStorage
      for (const storage of made) storage.disable()
    }
  }

  async teardown() {
    this.endStorages()
    await super.teardown()
  }
}
