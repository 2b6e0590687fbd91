import '@tensorflow/tfjs-backend-webgpu'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import plain from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.wasm?url'
import simd from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-simd.wasm?url'
import { enableProdMode, env } from '@tensorflow/tfjs-core'
import { selectEngine } from '@tersor/kernels/select-engine'

const ENGINES = ['webgpu', 'wasm'] as const
const NAMES = { webgpu: 'WebGPU', wasm: 'WebAssembly' } as const

/**
 * Starts WebGPU where there is one, else WebAssembly, and says in one line which and what is missing; `asked` is that of the page's address.
 * tfjs runs on one thread: each of its helpers holds a heap of its own, and with them a page took 79 MB more for a file of 100 MB. The
 * kernels of Tersor share memory, and so take more threads where the page has it.
 */
export const startEngine = async (asked: string | undefined): Promise<string> => {
  enableProdMode()
  setWasmPaths({ 'tfjs-backend-wasm.wasm': plain, 'tfjs-backend-wasm-simd.wasm': simd, 'tfjs-backend-wasm-threaded-simd.wasm': simd })
  setThreadsCount(1)
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
  const threads = globalThis.crossOriginIsolated ? '' : ' on one thread'
  for (const engine of ENGINES.filter(each => asked === undefined || each === asked)) {
    const started = await selectEngine({ engine }).catch((error: unknown) => error as Error)
    if (started instanceof Error) continue
    const missing = [
      ...(engine === 'wasm' && asked === undefined ? ['this browser shows no WebGPU'] : []),
      ...(threads === '' ? [] : ['the page has no shared memory']),
    ]
    return [`${NAMES[engine]}${threads}`, missing.join(', and ')].filter(text => text !== '').join(': ')
  }
  const { engine } = await selectEngine({ engine: 'wasm' })
  return `${NAMES[engine as 'wasm']}${threads}, since ${asked} did not start`
}
