import { csvOf, type Column } from './columns.js'
import { note, type Terminal } from './output.js'
import { writeWhole } from './page/write-page.js'

/** Where a table goes besides the screen. */
export interface TableFlags {
  readonly csv?: string
  readonly html?: string
}

/** Writes a table where it is asked for. Throws DISK. */
export const writeTables = async <T>(
  terminal: Terminal,
  { csv, html }: TableFlags,
  columns: readonly Column<T>[],
  rows: readonly T[],
  page: () => Promise<string>,
): Promise<void> => {
  if (csv !== undefined) await writeWhole(csv, csvOf(columns, rows))
  if (html !== undefined) await writeWhole(html, await page())
  for (const path of [csv, html]) if (path !== undefined) note(terminal, `written: ${path}`)
}
