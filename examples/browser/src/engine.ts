import '@tensorflow/tfjs-backend-webgpu'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import plain from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url'
import { enableProdMode, env } from '@tensorflow/tfjs-core'
import { selectEngine } from '@tersor/kernels/select-engine'

const ENGINES = ['webgpu', 'wasm'] as const

/**
 * Starts WebGPU where there is one, else WebAssembly, and says in one line which and why; `asked` is that of the page's address.
 * One thread: each helper of tfjs holds a heap of its own, and with them a file of 100 MB took 694 MB in place of 428.
 */
export const startEngine = async (asked: string | undefined): Promise<string> => {
  enableProdMode()
  setWasmPaths({ 'tfjs-backend-wasm.wasm': plain, 'tfjs-backend-wasm-simd.wasm': simd, 'tfjs-backend-wasm-threaded-simd.wasm': simd })
  setThreadsCount(1)
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
  const lacks = [
    ...(asked ? [] : ['this browser shows no WebGPU']),
    ...(globalThis.crossOriginIsolated ? [] : ['the page has no shared memory']),
  ]
  const wasm = ['WebAssembly on one thread', lacks.join(', and ')].filter(text => text !== '').join(': ')
  for (const engine of ENGINES.filter(each => asked === undefined || each === asked)) {
    const started = await selectEngine({ engine }).catch((error: unknown) => error as Error)
    if (!(started instanceof Error)) return engine === 'webgpu' ? 'WebGPU' : wasm
  }
  const { engine } = await selectEngine({ engine: 'wasm' })
  return `${engine}, since ${asked} did not start`
}
