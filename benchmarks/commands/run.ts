/**
 * `npm run bench -- commands [names…]`: whole commands of the built package, each a process, in turn with a peer's process.
 * Needs `npm run build`; TERSOR_PYTHON with PyTorch and safetensors, and `npm install` in conformance, for the peers.
 * TERSOR_PAIRS sets the pairs (5), TERSOR_LAYERS the layers of the checkpoint (3), TERSOR_THREADS the threads of both sides.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeCheckpoint, writeText } from '../endurance/checkpoint.js'
import { loadNow, machineOf } from '../speed/machine.js'
import { fillIn } from '../speed/table.js'
import { writeFormatted } from '../speed/write-formatted.js'
import { measured, median, run, type Run } from './process.js'
import { ROWS, type Row } from './rows.js'
import { tableOf, type Measured, type Report } from './table.js'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const TERSOR = at('../../packages/tersor/bin/tersor.js')
const PAGE = at('../README.md')
const LLAMA = at('../../examples/bundled-model/model')
const TEXT = at('../../examples/bundled-model/text/calibration.txt')
/** 2,048 tokens, and a few. */
const CHARACTERS = 7350

const machine = machineOf()
const threads = Number(process.env.TERSOR_THREADS ?? machine.cores)
const pairs = Number(process.env.TERSOR_PAIRS ?? 5)
const layers = Number(process.env.TERSOR_LAYERS ?? 3)
const file = at(`../results/commands-${machine.name}.json`)

const PYTHON = process.env.TERSOR_PYTHON ?? 'python3'

const PEERS: Readonly<Record<NonNullable<Row['peer']>, readonly [command: string, script: string]>> = {
  pytorch: [PYTHON, at('peers/compress.py')],
  'pytorch, calibrated': [PYTHON, at('peers/calibrated.py')],
  'llama.cpp': [process.execPath, at('peers/llama-quantize.mjs')],
}

const measure = async (row: Row, folder: string): Promise<Measured> => {
  const paths: Readonly<Record<string, string>> = {
    ...{ MODEL: join(folder, 'model'), GGUF: join(folder, 'model.gguf') },
    ...{ OUT: join(folder, 'out'), 'OUT.gguf': join(folder, 'out.gguf'), TEXT: join(folder, 'text.txt'), BUNDLED: LLAMA },
  }
  const put = (args: readonly string[]): string[] => args.map(arg => paths[arg] ?? arg)
  const sides = {
    ours: () => run(process.execPath, [TERSOR, ...put(row.ours), ...(row.peer ? ['--quiet'] : [])], threads),
    theirs: () => {
      const [command, script] = PEERS[row.peer!]
      return run(command, [script, ...put(row.theirs!)], threads)
    },
  }
  const runs: Record<keyof typeof sides, Run[]> = { ours: [], theirs: [] }
  const both = ['ours', 'theirs'] as const
  for (let pair = 0; pair < pairs; pair++)
    for (const side of !row.peer ? (['ours'] as const) : pair % 2 === 0 ? both : both.toReversed()) {
      runs[side].push(await sides[side]())
      for (const out of ['OUT', 'OUT.gguf']) await rm(paths[out], { recursive: true, force: true })
    }
  const result = { name: row.name, ours: measured(runs.ours), load: loadNow(), pairs, date: new Date().toISOString() }
  if (!row.peer) return result
  const ratios = runs.ours.map(({ seconds }, pair) => runs.theirs[pair].seconds / seconds)
  return { ...result, theirs: measured(runs.theirs), ratio: median(ratios) }
}

const inWords = ({ peer }: Row, { name, ours, theirs, ratio }: Measured): string =>
  `${name}: ${ours.seconds.toFixed(2)} s${theirs && ratio ? `, ${peer} ${theirs.seconds.toFixed(2)} s, ratio ${ratio.toFixed(2)}` : ''}`

/** Keeps earlier results of what was not run now. */
const keep = async (results: readonly Measured[], bytes: number): Promise<void> => {
  const report: Report = { machine, threads, bytes, results }
  await writeFormatted(file, JSON.stringify(report))
  fillIn(PAGE, 'commands', tableOf(report))
  await writeFormatted(PAGE, readFileSync(PAGE, 'utf8'))
}

export const runCommands = async (names: readonly string[]): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-commands-'))
  try {
    const bytes = await writeCheckpoint(join(folder, 'model'), LLAMA, { num_hidden_layers: layers })
    await writeText(TEXT, join(folder, 'text.txt'), CHARACTERS)
    const toGguf = ['convert', join(folder, 'model'), '--format', 'gguf', '--out', join(folder, 'model.gguf'), '--quiet']
    await run(process.execPath, [TERSOR, ...toGguf], threads)
    const earlier = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report).results : []
    const results = new Map(earlier.map(result => [result.name, result]))
    for (const row of ROWS.filter(({ name }) => names.length === 0 || names.some(wanted => name.includes(wanted)))) {
      try {
        const result = await measure(row, folder)
        results.set(row.name, result)
        console.log(inWords(row, result))
        await keep([...results.values()], bytes)
      } catch (error) {
        process.exitCode = 1
        console.error(`${row.name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
