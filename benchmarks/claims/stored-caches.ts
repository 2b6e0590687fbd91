/**
 * What stored caches are to show: `npm run claims -- stored-caches`, or `stored-caches/memory` for the rows whose names begin so.
 * Each row is kept behind each seed; fails where an order does not hold that is not written down as such.
 */
import { selectEngine } from '@tersor/kernels'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeFormatted } from '../speed/write-formatted.js'
import { DATA, ROOT } from './bundled-model.js'
import { measure, type Claim, type Measured } from './training/claim.js'
import { CACHE_GEN } from './kv-cache-storage/cache-gen.js'
import { FAST_SWITCH } from './kv-cache-storage/fast-switch.js'
import { GRAPHS } from './kv-cache-storage/graphs.js'
import { MEMORY } from './kv-cache-storage/memory.js'
import { tableOf } from './training/table.js'

const CLAIMS: readonly Claim[] = [...MEMORY, ...CACHE_GEN, ...FAST_SWITCH, ...GRAPHS]
const RECORD = join(ROOT, 'benchmarks/results/claims-stored-caches.json')
const PAGE = join(ROOT, 'benchmarks/claims/README.md')

interface Record {
  readonly engine: string
  readonly node: string
  readonly rows: readonly Measured[]
}

/** Puts a row in the place of the one of its name, in the file and in the table. */
const keep = async (engine: string, row: Measured): Promise<void> => {
  const before: readonly Measured[] = existsSync(RECORD) ? (JSON.parse(await readFile(RECORD, 'utf8')) as Record).rows : []
  const byName = new Map([...before, row].map(each => [each.name, each]))
  const rows = CLAIMS.flatMap(({ name }) => byName.get(name) ?? [])
  const record: Record = { engine, node: process.version, rows }
  await writeFormatted(RECORD, JSON.stringify(record))
  const text = await readFile(PAGE, 'utf8')
  const table = `<!-- stored-caches -->\n\n${tableOf(CLAIMS, rows)}\n\n<!-- /stored-caches -->`
  await writeFormatted(
    PAGE,
    text.replace(/<!-- stored-caches -->[^]*<!-- \/stored-caches -->/, () => table),
  )
}

const { rows: chosen = '' } = parseArgs({ options: { rows: { type: 'string' } } }).values
const { engine, reason } = await selectEngine()
console.log(`engine ${engine}: ${reason}`)
for (const claim of CLAIMS.filter(({ name }) => name.startsWith(chosen))) {
  console.log(`\n${claim.name}: ${claim.says}`)
  if (claim.data !== undefined && !existsSync(join(DATA, claim.data))) {
    console.log(`skipped: there is no ${join(DATA, claim.data)}.`)
    continue
  }
  let last: Measured | undefined
  for await (const row of measure(claim, { load: loadavg()[0], date: new Date().toISOString() })) await keep(engine, (last = row))
  for (const verdict of last?.verdicts ?? []) {
    console.log(`  ${verdict}`)
    if (verdict.startsWith('FAILS')) process.exitCode = 1
  }
}
