/**
 * `npm run bench -- commands [names…]`: whole commands of the built package, each a process, in turn with a peer's process.
 * Needs `npm run build`; TERSOR_PYTHON with PyTorch and safetensors, and `npm install` in conformance, for the peers.
 * TERSOR_PAIRS sets the pairs (5), TERSOR_LAYERS the layers of the checkpoint (3), TERSOR_THREADS the threads of both sides.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeCheckpoint } from '../endurance/checkpoint.js'
import { loadNow, machineOf } from '../speed/machine.js'
import { fillIn } from '../speed/table.js'
import { writeFormatted } from '../speed/write-formatted.js'
import { ROWS, type Row } from './rows.js'
import { tableOf, type Measured, type Report } from './table.js'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const TERSOR = at('../../packages/tersor/bin/tersor.js')
const PAGE = at('../README.md')
const LLAMA = at('../../examples/bundled-model/model')
/** How often a process is asked for its largest memory, in ms. */
const ASK = 20

const machine = machineOf()
const threads = Number(process.env.TERSOR_THREADS ?? machine.cores)
const pairs = Number(process.env.TERSOR_PAIRS ?? 5)
const layers = Number(process.env.TERSOR_LAYERS ?? 3)
const file = at(`../results/commands-${machine.name}.json`)

interface Run {
  readonly seconds: number
  readonly peakBytes: number
}

const peakOf = (pid: number): number => {
  const path = `/proc/${pid}/status`
  const found = existsSync(path) && /VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))
  return found ? Number(found[1]) * 1024 : 0
}

const run = (command: string, args: readonly string[]): Promise<Run> =>
  new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TERSOR_THREADS: String(threads) } })
    let [peakBytes, words] = [0, '']
    const asking = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid ?? 0))), ASK)
    child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()))
    child.on('error', reject)
    child.on('close', code => {
      clearInterval(asking)
      if (code === 0) resolve({ seconds: (performance.now() - start) / 1000, peakBytes })
      else reject(new Error(`${command} ${args[0]} ended with ${code}: ${words.trim().split('\n').slice(-3).join(' ')}`))
    })
  })

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]

const measured = (runs: readonly Run[]): Run => ({
  seconds: median(runs.map(({ seconds }) => seconds)),
  peakBytes: Math.max(...runs.map(({ peakBytes }) => peakBytes)),
})

const PEERS: Readonly<Record<Row['peer'], readonly [command: string, script: string]>> = {
  pytorch: [process.env.TERSOR_PYTHON ?? 'python3', at('peers/compress.py')],
  'llama.cpp': [process.execPath, at('peers/llama-quantize.mjs')],
}

const measure = async (row: Row, folder: string): Promise<Measured> => {
  const paths: Readonly<Record<string, string>> = {
    ...{ MODEL: join(folder, 'model'), GGUF: join(folder, 'model.gguf') },
    ...{ OUT: join(folder, 'out'), 'OUT.gguf': join(folder, 'out.gguf') },
  }
  const put = (args: readonly string[]): string[] => args.map(arg => paths[arg] ?? arg)
  const [command, script] = PEERS[row.peer]
  const sides = {
    ours: () => run(process.execPath, [TERSOR, ...put(row.ours), '--quiet']),
    theirs: () => run(command, [script, ...put(row.theirs)]),
  }
  const runs: Record<keyof typeof sides, Run[]> = { ours: [], theirs: [] }
  for (let pair = 0; pair < pairs; pair++)
    for (const side of pair % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      runs[side].push(await sides[side]())
      for (const out of ['OUT', 'OUT.gguf']) await rm(paths[out], { recursive: true, force: true })
    }
  const ratios = runs.ours.map(({ seconds }, pair) => runs.theirs[pair].seconds / seconds)
  return { name: row.name, ours: measured(runs.ours), theirs: measured(runs.theirs), ratio: median(ratios), load: loadNow() }
}

export const runCommands = async (names: readonly string[]): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-commands-'))
  try {
    const bytes = await writeCheckpoint(join(folder, 'model'), LLAMA, layers)
    await run(process.execPath, [
      TERSOR,
      'convert',
      join(folder, 'model'),
      '--format',
      'gguf',
      '--out',
      join(folder, 'model.gguf'),
      '--quiet',
    ])
    const earlier = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report).results : []
    const results = new Map(earlier.map(result => [result.name, result]))
    for (const row of ROWS.filter(({ name }) => names.length === 0 || names.some(wanted => name.includes(wanted)))) {
      try {
        const result = await measure(row, folder)
        results.set(row.name, result)
        console.log(
          `${row.name}: ${result.ours.seconds.toFixed(1)} s, ${row.peer} ${result.theirs.seconds.toFixed(1)} s, ratio ${result.ratio.toFixed(2)}`,
        )
      } catch (error) {
        process.exitCode = 1
        console.error(`${row.name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    const report: Report = { machine, threads, pairs, bytes, date: new Date().toISOString(), results: [...results.values()] }
    await writeFormatted(file, JSON.stringify(report))
    fillIn(PAGE, 'commands', tableOf(report))
    await writeFormatted(PAGE, readFileSync(PAGE, 'utf8'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
