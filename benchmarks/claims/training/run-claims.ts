/** Runs the rows of one table of claims and keeps each as soon as it is measured, in a file of results and in the page. */
import { selectEngine } from '@tersor/kernels'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeFormatted } from '../../speed/write-formatted.js'
import { DATA, ROOT } from '../bundled-model.js'
import { measure, type Claim, type Measured } from './claim.js'
import { tableOf } from './table.js'

const PAGE = join(ROOT, 'benchmarks/claims/README.md')

interface Record {
  readonly engine: string
  readonly node: string
  readonly rows: readonly Measured[]
}

const pathOf = (table: string): string => join(ROOT, `benchmarks/results/claims-${table}.json`)

const keptRows = async (table: string): Promise<readonly Measured[]> =>
  existsSync(pathOf(table)) ? (JSON.parse(await readFile(pathOf(table), 'utf8')) as Record).rows : []

/** Puts a row in the place of the one of its name, in the file and in the table. */
const keep = async (table: string, claims: readonly Claim[], engine: string, row: Measured): Promise<void> => {
  const byName = new Map([...(await keptRows(table)), row].map(each => [each.name, each]))
  const rows = claims.flatMap(({ name }) => byName.get(name) ?? [])
  const record: Record = { engine, node: process.version, rows }
  await writeFormatted(pathOf(table), JSON.stringify(record))
  const text = await readFile(PAGE, 'utf8')
  const filled = `<!-- ${table} -->\n\n${tableOf(claims, rows)}\n\n<!-- /${table} -->`
  await writeFormatted(
    PAGE,
    text.replace(new RegExp(`<!-- ${table} -->[^]*<!-- /${table} -->`), () => filled),
  )
}

/**
 * Measures the claims of a table whose names begin as `--rows` says, but for those that are asked for by name alone; with `--more`, only
 * the sides and seeds that their rows lack.
 */
export const runClaims = async (table: string, claims: readonly Claim[]): Promise<void> => {
  const { rows: chosen = '', more = false } = parseArgs({ options: { rows: { type: 'string' }, more: { type: 'boolean' } } }).values
  const { engine, reason } = await selectEngine()
  console.log(`engine ${engine}: ${reason}`)
  for (const claim of claims.filter(({ name, alone = false }) => name.startsWith(chosen) && (!alone || chosen !== ''))) {
    console.log(`\n${claim.name}: ${claim.says}`)
    if (claim.data !== undefined && !existsSync(join(DATA, claim.data))) {
      console.log(`skipped: there is no ${join(DATA, claim.data)}.`)
      continue
    }
    let last: Measured | undefined
    const before = more ? (await keptRows(table)).find(({ name }) => name === claim.name) : undefined
    for await (const row of measure(claim, { load: loadavg()[0], date: new Date().toISOString() }, before))
      await keep(table, claims, engine, (last = row))
    for (const verdict of last?.verdicts ?? []) {
      console.log(`  ${verdict}`)
      if (verdict.startsWith('FAILS')) process.exitCode = 1
    }
  }
}
