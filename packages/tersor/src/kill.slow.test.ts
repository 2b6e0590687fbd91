import { createRng } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama } from '@tersor/models'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'

const MINUTES = 60_000
const MAIN = join(__dirname, 'index.ts')
const ROOT = join(__dirname, '../../..')

type Steps = readonly string[]

/** What is killed, and how often. */
interface Killed {
  readonly name: string
  readonly steps: Steps
  readonly kills: number
}

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

/** The command line in a process of its own, from sources. */
const start = (out: string, calls: Steps, ...more: string[]): ChildProcess => {
  const code = `import { main } from ${JSON.stringify(MAIN)}; process.exitCode = await main(process.argv.slice(1))`
  const steps = calls.flatMap(call => ['--step', call])
  const argv = ['compress', join(folder, 'pico'), '--out', out, '--calibrate', join(folder, 'text.txt'), ...steps, '--quiet', ...more]
  const env = { ...process.env, TERSOR_ENGINE: 'ort', NODE_OPTIONS: '' }
  const node = ['--conditions=@tersor/source', '--import', 'tsx', '--input-type=module', '-e', code, '--', ...argv]
  return spawn(process.execPath, node, { cwd: ROOT, env, stdio: 'ignore' })
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Waits until the run has begun its journal. */
const begun = async (out: string, child: ChildProcess): Promise<void> => {
  while (child.exitCode === null && !(await exists(join(`${out}.partial`, 'journal')))) await setTimeout(2)
}

const filesOf = async (out: string): Promise<readonly (readonly [string, Buffer])[]> =>
  Promise.all((await readdir(out)).sort().map(async name => [name, await readFile(join(out, name))] as const))

it.each(KILLED)(
  'ends a $name in the same bytes when it is killed at random moments and resumed',
  async ({ name, steps, kills: wanted }) => {
    const whole = join(folder, `whole-${name}`)
    const first = start(whole, steps)
    const ended = once(first, 'exit')
    await begun(whole, first)
    const from = performance.now()
    expect(await ended).toEqual([0, null])
    const lasts = performance.now() - from
    const rng = createRng(11)
    let kills = 0
    for (let attempt = 0; kills < wanted; attempt++) {
      const out = join(folder, `killed-${name}-${attempt}`)
      const child = start(out, steps)
      const exit = once(child, 'exit')
      await begun(out, child)
      await Promise.race([setTimeout(rng.uniform() * lasts), exit])
      child.kill('SIGKILL')
      const [, signal] = await exit
      if (signal !== 'SIGKILL') continue // it was faster this time
      kills++
      expect(await once(start(out, steps, '--resume'), 'exit')).toEqual([0, null])
      expect(await filesOf(out)).toEqual(await filesOf(whole))
      expect(await exists(`${out}.partial`)).toBe(false)
    }
  },
  30 * MINUTES,
)
