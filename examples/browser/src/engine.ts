import '@tensorflow/tfjs-backend-webgpu'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import plain from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url'
import threaded from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.wasm?url'
import { enableProdMode } from '@tensorflow/tfjs-core'
import { selectEngine } from '@tersor/kernels/select-engine'

/** More threads than this make small products no faster. */
const MOST_THREADS = 4

const ENGINES = ['webgpu', 'wasm'] as const

/** Starts WebGPU where there is one, else WebAssembly, and says in one line which and why; `asked` is that of the page's address. */
export const startEngine = async (asked: string | undefined): Promise<string> => {
  enableProdMode()
  const shared = globalThis.crossOriginIsolated
  const threads = shared ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plain,
    'tfjs-backend-wasm-simd.wasm': simd,
    'tfjs-backend-wasm-threaded-simd.wasm': threaded,
  })
  setThreadsCount(threads)
  const wasm = shared
    ? `WebAssembly, ${threads} thread${threads === 1 ? '' : 's'}`
    : 'WebAssembly, one thread: the page has no shared memory'
  for (const engine of ENGINES.filter(each => asked === undefined || each === asked)) {
    const started = await selectEngine({ engine }).catch((error: unknown) => error as Error)
    if (!(started instanceof Error)) return engine === 'webgpu' ? 'WebGPU' : asked ? wasm : `${wasm}; this browser shows no WebGPU`
  }
  const { engine } = await selectEngine({ engine: 'wasm' })
  return `${engine}, since ${asked} did not start`
}
