/** What runs in a worker: compiled with row-job.ts into worker-code.ts by `npm run wasm`, as text, so that it starts from anywhere. */
import { partsOf, type KernelInstance, type RowJob } from './row-job.js'

/** `next` holds the first part that nobody has taken. */
export interface Order {
  readonly id: number
  readonly module: WebAssembly.Module
  readonly job: RowJob
  readonly next: Int32Array
}

export interface Reply {
  readonly id: number
  readonly error?: string
}

interface Port {
  postMessage(message: Reply): void
  on?(type: 'message', listener: (order: Order) => void): void
  onmessage?: unknown
}

declare const require: ((name: 'node:worker_threads') => { readonly parentPort: Port }) | undefined
declare const self: Port

/** Takes orders one after the other; the last line of the compiled text calls it. */
export const listen = (): void => {
  const port = typeof require === 'function' ? require('node:worker_threads').parentPort : self
  let instance: KernelInstance | undefined
  const abort = (): never => {
    throw new Error('A WebAssembly kernel stopped.')
  }
  const obey = ({ id, module, job, next }: Order): void => {
    try {
      instance ??= new WebAssembly.Instance(module, { env: { abort } }).exports as KernelInstance
      const run = partsOf(instance, job)
      const parts = Math.ceil(job.rows / job.atOnce)
      for (let part = Atomics.add(next, 0, 1); part < parts; part = Atomics.add(next, 0, 1)) run(part)
      port.postMessage({ id })
    } catch (error) {
      Atomics.store(next, 0, 2 ** 30) // nobody takes another part
      port.postMessage({ id, error: String(error) })
    }
  }
  if (port.on) port.on('message', obey)
  else port.onmessage = ({ data }: { readonly data: Order }): void => obey(data)
}
