import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Benchmark, PeerName } from './benchmarks.js'
import type { SideCommand } from './side.js'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const NODE = ['--conditions=@tersor/source', '--import', 'tsx']

/** Our side: the job on @tersor/backend-ort. */
export const oursOf = (benchmark: Benchmark, threads: number): SideCommand => inNode('tersor', 'worker.ts', benchmark, threads, 'ort')

const inNode = (name: string, script: string, { job, settings }: Benchmark, threads: number, engine: string): SideCommand => ({
  name,
  command: process.execPath,
  arguments: [...NODE, join(FOLDER, script), job, JSON.stringify(settings)],
  environment: { TERSOR_ENGINE: engine, TERSOR_THREADS: String(threads) },
})

/** The other side, or why there is none. */
export const peerOf = (peer: PeerName, benchmark: Benchmark, threads: number): SideCommand | string => {
  if (peer === 'tfjs-wasm' || peer === 'tfjs-cpu') return inNode(peer, 'worker.ts', benchmark, threads, peer.slice('tfjs-'.length))
  if (peer === 'ggml') {
    const installed = existsSync(join(FOLDER, '../../conformance/node_modules/koffi'))
    return installed ? inNode(peer, 'ggml.ts', benchmark, 1, 'cpu') : 'run `npm install` in conformance to compare with ggml'
  }
  const script = join(FOLDER, 'peers', `${benchmark.job.replaceAll('-', '_')}.py`)
  return {
    name: peer,
    command: process.env.TERSOR_PYTHON ?? 'python3',
    arguments: [script, JSON.stringify(benchmark.settings)],
    // waiting threads sleep, as ours do: no slower on a quiet machine, and many times faster on a busy one
    environment: { TERSOR_THREADS: String(threads), OMP_WAIT_POLICY: 'PASSIVE', PYTHONDONTWRITEBYTECODE: '1' },
  }
}
