import { existsSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

/** The data that the repository does not hold: TERSOR_DATA, or shared/data beside the repository. */
export const DATA = process.env.TERSOR_DATA ?? join(root, '../shared/data')

/** Why a test that needs these files is skipped; false where they are there. */
export const missing = (...paths: readonly string[]): string | false => {
  const absent = paths.find(path => !existsSync(join(DATA, path)))
  return absent === undefined ? false : `${join(DATA, absent)} is missing; set TERSOR_DATA`
}
