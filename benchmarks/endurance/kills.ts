import { createRng } from '@tersor/core'
import { createHash } from 'node:crypto'
import { access, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { writeText } from './checkpoint.js'
import { finish, start } from './process.js'

/** One run that was killed and resumed. */
export interface Kill {
  /** Seconds after the journal was begun. */
  readonly after: number
  /** Units that were on the disk when it was killed. */
  readonly units: number
  /** Whether the result has the bytes of a run that was not killed. */
  readonly same: boolean
}

/** What is killed: walks through stages, and trainings that leave checkpoints. */
export const PIPELINES = {
  compression: ['sparse-gpt(pattern=2:4)', 'gptq(bits=4, group=32)'],
  training: ['rtn(bits=2, group=64)', 'distill(steps=6, rows=1, checkpoint=1)', 'lora(rank=4, steps=6, rows=1, checkpoint=2)'],
} as const

export interface KillsOptions {
  readonly steps: readonly string[]
  readonly count: number
  readonly onResult: (kill: Kill) => void
}

const CHARACTERS = 4000

/** One digest for all files of a folder. */
const digestOf = async (folder: string): Promise<string> => {
  const hash = createHash('sha256')
  for (const name of (await readdir(folder)).sort()) hash.update(`${name}\0`).update(await readFile(join(folder, name)))
  return hash.digest('hex')
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** Kills a pipeline on the bundled model with SIGKILL at random moments after its journal was begun, and resumes it. */
export const kills = async (folder: string, bundled: string, { steps, count, onResult }: KillsOptions): Promise<readonly Kill[]> => {
  const text = join(folder, 'kill-text.txt')
  await writeText(join(bundled, 'text/calibration.txt'), text, CHARACTERS)
  const command = (out: string) => [
    ...['command', 'compress', join(bundled, 'model'), '--out', out, '--calibrate', text, '--quiet', '--json', '--seed', '3'],
    ...steps.flatMap(step => ['--step', step]),
  ]
  const begun = async (out: string): Promise<void> => {
    while (!(await exists(join(`${out}.partial`, 'journal')))) await setTimeout(2)
  }
  const reference = join(folder, 'reference')
  const first = start(...command(reference))
  await begun(reference)
  const from = performance.now()
  const { code, err } = await first.ended
  if (code !== 0) throw new Error(`The run that is not killed ended with ${code}: ${err}`)
  const lasts = performance.now() - from
  const expected = await digestOf(reference)

  await rm(reference, { recursive: true, force: true })
  const rng = createRng(1)
  const done: Kill[] = []
  while (done.length < count) {
    const out = join(folder, `killed-${done.length}`)
    const running = start(...command(out))
    await begun(out)
    const after = rng.uniform() * lasts
    await Promise.race([setTimeout(after), running.ended])
    running.child.kill('SIGKILL')
    const wasKilled = (await running.ended).code === null
    if (wasKilled) {
      const units = (await readdir(`${out}.partial`).catch((): string[] => [])).filter(name => /^unit-.*safetensors$/.test(name)).length
      await finish(...command(out), '--resume')
      const same = (await digestOf(out)) === expected && !(await exists(`${out}.partial`))
      done.push({ after: after / 1000, units, same })
      onResult(done.at(-1)!)
    }
    await rm(out, { recursive: true, force: true })
  }
  return done
}
