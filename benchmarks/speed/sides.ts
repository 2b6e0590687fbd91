import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Benchmark, PeerName } from './benchmarks.js'
import type { Settings } from './serve.js'
import type { SideCommand } from './side.js'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const NODE = ['--conditions=@tersor/source', '--import', 'tsx']

/** Our side: the job on @tersor/backend-ort, where the benchmark is of no other engine. */
export const oursOf = (benchmark: Benchmark, threads: number): SideCommand =>
  inNode('tersor', 'worker.ts', benchmark, threads, benchmark.engine ?? 'ort')

const inNode = (name: string, script: string, { job, settings }: Benchmark, threads: number, engine: string): SideCommand => ({
  name,
  command: process.execPath,
  arguments: [...NODE, join(FOLDER, script), job, JSON.stringify(settings)],
  environment: { TERSOR_ENGINE: engine, TERSOR_THREADS: String(threads) },
})

interface PythonSide {
  readonly name: string
  readonly environment?: Readonly<Record<string, string>>
  readonly settings?: Settings
}

/** PyTorch, with threads that wait as it lets them and with threads that sleep; networks of language compiled besides, with its fused Adam. */
const inPython = ({ job, settings }: Benchmark, threads: number): readonly SideCommand[] => {
  const compiled: readonly PythonSide[] = job === 'language-model' ? [{ name: 'pytorch, compiled', settings: { compile: 1 } }] : []
  const sides: readonly PythonSide[] = [
    { name: 'pytorch' },
    { name: 'pytorch, threads sleeping', environment: { OMP_WAIT_POLICY: 'PASSIVE' } },
    ...compiled,
  ]
  return sides.map(({ name, environment, settings: more }) => ({
    name,
    command: process.env.TERSOR_PYTHON ?? 'python3',
    arguments: [join(FOLDER, 'peers', `${job.replaceAll('-', '_')}.py`), JSON.stringify({ ...settings, ...more })],
    environment: { TERSOR_THREADS: String(threads), PYTHONDONTWRITEBYTECODE: '1', ...environment },
  }))
}

/** The other sides that a peer stands for, or why there are none. */
export const peersOf = (peer: PeerName, benchmark: Benchmark, threads: number): readonly SideCommand[] | string => {
  if (peer === 'pytorch') return inPython(benchmark, threads)
  if (peer === 'float32')
    return [inNode('tersor, float32', 'worker.ts', { ...benchmark, settings: { ...benchmark.settings, form: 'dense' } }, threads, 'ort')]
  if (peer === 'tfjs-cpu') {
    const side = inNode(peer, 'worker.ts', benchmark, threads, 'cpu')
    return [{ ...side, environment: { ...side.environment, TFJS_KERNELS: 'own' } }]
  }
  if (peer.startsWith('tfjs')) return [inNode(peer, 'worker.ts', benchmark, threads, peer.slice('tfjs-'.length))]
  const installed = existsSync(join(FOLDER, '../../conformance/node_modules/koffi'))
  if (!installed) return `run \`npm run conformance\` once to compare with ${peer}`
  return peer === 'ggml' ? [inNode(peer, 'ggml.ts', benchmark, 1, 'cpu')] : [inNode(peer, 'llama-cpp.ts', benchmark, threads, 'cpu')]
}
