/**
 * `npm run endurance -- [whole] [kills] [pairs]`: a checkpoint of 2.2 GB, runs that are killed, and every pair of steps stopped at every
 * stage; the first two where none is named.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadNow, machineOf } from '../speed/machine.js'
import { fillIn } from '../speed/table.js'
import { writeFormatted } from '../speed/write-formatted.js'
import { kills, PIPELINES } from './kills.js'
import { killText, tableOf, wholeText, type Report } from './table.js'
import { wholeRuns } from './whole.js'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const BUNDLED = fileURLToPath(new URL('../../examples/bundled-model', import.meta.url))
const PAGE = join(FOLDER, 'README.md')
const KILLS = 20

const machine = machineOf()
const threads = Number(process.env.TERSOR_THREADS ?? machine.cores)
const file = join(FOLDER, 'results', `endurance-${machine.name}.json`)

/** Keeps earlier results of what was not run now. */
const keep = async (results: Partial<Report>): Promise<void> => {
  const earlier = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : undefined
  const report: Report = { ...earlier, ...results, machine, threads, load: loadNow(), date: new Date().toISOString() }
  await writeFormatted(file, JSON.stringify(report))
  fillIn(PAGE, 'endurance', tableOf(report))
  await writeFormatted(PAGE, readFileSync(PAGE, 'utf8'))
}

/** The test of the command line holds a fifth of the pairs against each other; all of them take minutes. */
const pairs = (): void => {
  const { status } = spawnSync('npx', ['jest', 'packages/tersor/src/resume-pairs'], {
    stdio: 'inherit',
    cwd: join(FOLDER, '..'),
    env: { ...process.env, TERSOR_RESUME_PAIRS: 'all' },
  })
  if (status !== 0) process.exitCode = 1
}

const names = process.argv.slice(2)
const wants = (name: string): boolean => names.length === 0 || names.includes(name)
console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ${threads} threads, load ${loadNow()}`)
const work = await mkdtemp(join(process.env.TERSOR_WORK ?? tmpdir(), 'tersor-endurance-'))
try {
  if (wants('whole')) await keep({ whole: await wholeRuns(work, BUNDLED, run => console.log(wholeText(run))) })
  const killed = (steps: readonly string[]) => kills(work, BUNDLED, { steps, count: KILLS, onResult: kill => console.log(killText(kill)) })
  if (wants('kills')) {
    await keep({ kills: await killed(PIPELINES.compression) })
    await keep({ trainingKills: await killed(PIPELINES.training) })
  }
  if (names.includes('pairs')) pairs()
} finally {
  await rm(work, { recursive: true, force: true })
}
