import { createRng } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama } from '@tersor/models'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'

const MINUTES = 60_000
const MAIN = join(__dirname, 'index.ts')
const ROOT = join(__dirname, '../../..')

type Steps = readonly string[]
/** What a process is told of when it is killed. */
type Fate = { readonly KILLED_AT?: string; readonly COUNTED?: string }

/** What is killed, and how often. */
interface Killed {
  readonly name: string
  readonly steps: Steps
  readonly kills: number
}

/** Changes of files until a run has begun its journal: one that is killed before is none. */
const BEGINNING = 12

/** Walks through stages, and trainings that leave checkpoints. */
const KILLED: readonly Killed[] = [
  { name: 'compression', steps: ['sparse-gpt(pattern=2:4)', 'gptq(group=8)', 'eora(rank=2)'], kills: 4 },
  {
    ...{ name: 'training', kills: 8 },
    steps: ['rtn(bits=3, group=8)', 'distill(steps=20, rows=2, rate=0.01, checkpoint=3)', 'lora(rank=2, steps=20, rows=2, checkpoint=7)'],
  },
]
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-kill-'))
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3 })
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const sink = huggingFaceSink(join(folder, 'pico'), { config: pico.rawConfig, files })
  for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
  await (await sink.finish()).close?.()
  await writeFile(join(folder, 'text.txt'), 'the old man and the sea and the boat '.repeat(30))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The command line in a process of its own, from sources; gives how it ended. */
const ends = async (out: string, calls: Steps, fate: Fate, ...more: string[]): Promise<readonly unknown[]> => {
  const code = `import { main } from ${JSON.stringify(MAIN)}; process.exitCode = await main(process.argv.slice(1))`
  const steps = calls.flatMap(call => ['--step', call])
  const argv = ['compress', join(folder, 'pico'), '--out', out, '--calibrate', join(folder, 'text.txt'), ...steps, '--quiet', ...more]
  const env = { ...process.env, TERSOR_ENGINE: 'ort', NODE_OPTIONS: '', ...fate }
  const killed = ['--require', join(__dirname, 'killed-at.fixture.cjs')]
  const node = ['--conditions=@tersor/source', '--import', 'tsx', ...killed, '--input-type=module', '-e', code, '--', ...argv]
  const child = spawn(process.execPath, node, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'pipe'] })
  const said = text(child.stderr)
  const [exit] = await once(child, 'exit')
  return [exit, await said]
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const filesOf = async (out: string): Promise<readonly (readonly [string, Buffer])[]> =>
  Promise.all((await readdir(out)).sort().map(async name => [name, await readFile(join(out, name))] as const))

it.each(KILLED)(
  'ends a $name in the same bytes when it is killed between changes of files and resumed',
  async ({ name, steps, kills }) => {
    const whole = join(folder, `whole-${name}`)
    const counted = join(folder, `changes-${name}`)
    expect(await ends(whole, steps, { COUNTED: counted })).toEqual([0, ''])
    const changes = Number(await readFile(counted, 'utf8')) - BEGINNING
    const rng = createRng(11)
    for (let kill = 0; kill < kills; kill++) {
      const out = join(folder, `killed-${name}-${kill}`)
      const at = BEGINNING + Math.ceil(((kill + rng.uniform()) / kills) * changes) // one in each part of the run
      expect(await ends(out, steps, { KILLED_AT: String(at) })).toEqual([null, ''])
      expect([at, await ends(out, steps, {}, '--resume')]).toEqual([at, [0, '']])
      expect(await filesOf(out)).toEqual(await filesOf(whole))
      expect(await exists(`${out}.partial`)).toBe(false)
    }
  },
  30 * MINUTES,
)
