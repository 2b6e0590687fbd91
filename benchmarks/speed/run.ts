/** `npm run bench -- [names…]`: both sides in turn; results go to benchmarks/results and the table into benchmarks/README.md; `commands`, `large` and `threads` are others. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runLarge } from '../commands/large.js'
import { runCommands } from '../commands/run.js'
import { runThreads } from '../commands/threads.js'
import { BENCHMARKS } from './benchmarks.js'
import { duel, type Result } from './duel.js'
import { loadNow, machineOf } from './machine.js'
import { fillIn, tableOf, verdictOf, type Report } from './table.js'
import { writeFormatted } from './write-formatted.js'

const FOLDER = fileURLToPath(new URL('..', import.meta.url))
const PAGE = join(FOLDER, 'README.md')

const machine = machineOf()
const threads = Number(process.env.TERSOR_THREADS ?? machine.cores)
const file = join(FOLDER, 'results', `speed-${machine.name}.json`)

/** Keeps earlier results of what was not run now. */
const keep = async (result: Result): Promise<void> => {
  const earlier = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report).results : []
  const results = [...earlier.filter(({ name }) => name !== result.name), result]
  const report: Report = { machine, threads, results }
  await writeFormatted(file, JSON.stringify(report))
  fillIn(PAGE, 'speed', tableOf(report))
  await writeFormatted(PAGE, readFileSync(PAGE, 'utf8'))
}

const names = process.argv.slice(2)
const OTHERS: Readonly<Record<string, () => void | Promise<void>>> = {
  commands: () => runCommands(names.slice(1)),
  large: runLarge,
  threads: runThreads,
}
const other = OTHERS[names[0]]
if (other) {
  await other()
  process.exit()
}
const chosen = BENCHMARKS.filter(({ name }) => names.length === 0 || names.some(wanted => name.startsWith(wanted)))
if (chosen.length === 0) {
  console.error(`No benchmark begins with ${names.join(' or ')}. There are: ${BENCHMARKS.map(({ name }) => name).join(', ')}.`)
  process.exit(1)
}
console.log(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ${threads} threads, load ${loadNow()}`)
for (const benchmark of chosen) {
  try {
    const result = await duel(benchmark, threads, loadNow())
    const { ours, peers, absent } = result
    console.log(`\n${benchmark.title} (load ${result.load})`)
    for (const { name, info, median, fastest, spread, ratio } of [ours, ...peers]) {
      const times = `${median.toFixed(1)} ms, fastest ${fastest.toFixed(1)}, spread ${(spread * 100).toFixed(0)} %`
      console.log(`  ${name} (${info.version}): ${times}${name === ours.name ? '' : `; ratio ${ratio.toFixed(2)}`}`)
    }
    for (const reason of absent) console.log(`  skipped ${reason}`)
    if (benchmark.target !== undefined) console.log(`  target ${benchmark.target}: ${verdictOf(benchmark, result)}`)
    await keep(result)
  } catch (error) {
    process.exitCode = 1
    console.error(`\n${benchmark.title}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
