/**
 * `npm run bench -- large`: the same commands on the small checkpoint and on a Llama of 7 billion random weights, 13.5 GB of bf16.
 * Needs 32 GB in the folder for temporary files, or in TERSOR_WORK.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CONFIG, SEVEN_BILLION, writeCheckpoint } from '../endurance/checkpoint.js'
import { machineOf } from '../speed/machine.js'
import { measured, run, type Run } from './process.js'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const TERSOR = at('../../packages/tersor/bin/tersor.js')
const LLAMA = at('../../examples/bundled-model/model')
const SMALL_LAYERS = 3
const SMALL_RUNS = 3

/** Names of weights that the command works on: rounding leaves embeddings and the head as they are. */
const COMMANDS = [
  { name: "compress --step 'rtn(bits=4)'", args: ['compress', '--step', 'rtn(bits=4)'], others: false },
  { name: 'convert --type Q4_K_M', args: ['convert', '--format', 'gguf', '--type', 'Q4_K_M'], others: true },
] as const

interface Checkpoint {
  readonly path: string
  readonly weights: number
  /** In embeddings and the head. */
  readonly others: number
}

const written = async (path: string, other: Parameters<typeof writeCheckpoint>[2]): Promise<Checkpoint> => {
  const { vocab_size: vocabulary, hidden_size: hidden } = { ...CONFIG, ...other }
  return { path, weights: (await writeCheckpoint(path, LLAMA, other)) / 2, others: 2 * vocabulary * hidden }
}

const inWords = (which: string, { seconds, peakBytes }: Run, weights: number): string =>
  `  ${which}: ${seconds.toFixed(1)} s, ${(peakBytes / 1e9).toFixed(2)} GB, ${((1e9 * seconds) / weights).toFixed(1)} ns a weight`

export const runLarge = async (): Promise<void> => {
  const threads = Number(process.env.TERSOR_THREADS ?? machineOf().cores)
  const folder = await mkdtemp(join(process.env.TERSOR_WORK ?? tmpdir(), 'tersor-large-'))
  const timed = async (args: readonly string[], { path }: Checkpoint, times: number): Promise<Run> => {
    const out = join(folder, args[0] === 'convert' ? 'out.gguf' : 'out')
    const runs: Run[] = []
    for (let i = 0; i < times; i++) {
      runs.push(await run(process.execPath, [TERSOR, args[0], path, ...args.slice(1), '--out', out, '--quiet'], threads))
      await rm(out, { recursive: true, force: true })
    }
    return measured(runs)
  }
  try {
    const small = await written(join(folder, 'small'), { num_hidden_layers: SMALL_LAYERS })
    const large = await written(join(folder, 'large'), SEVEN_BILLION)
    for (const { name, args, others } of COMMANDS) {
      console.log(name)
      const worked = ({ weights, others: left }: Checkpoint): number => (others ? weights : weights - left)
      const [one, other] = [await timed(args, small, SMALL_RUNS), await timed(args, large, 1)]
      console.log(inWords('small', one, worked(small)))
      console.log(inWords('large', other, worked(large)))
      console.log(`  cost a weight, large to small: ${(other.seconds / worked(large) / (one.seconds / worked(small))).toFixed(2)}`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
