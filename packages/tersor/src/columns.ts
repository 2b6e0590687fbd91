import type { Terminal } from './output.js'
import { tableOf, tableWidth } from './table.js'

/** A column of a table that goes to a terminal, into CSV, JSON or a page. */
export interface Column<T> {
  /** In CSV and pages for programs. */
  readonly key: string
  /** For people. */
  readonly head: string
  /** The value; undefined where a row has none. */
  readonly of: (row: T) => string | number | undefined
  /** For people; the value as it is where absent. */
  readonly text?: (value: never) => string
  /** Of a column that a narrow terminal may go without: those of the highest number go first. */
  readonly minor?: number
}

/** Columns of which a row has a value. */
export const filledColumns = <T>(columns: readonly Column<T>[], rows: readonly T[]): readonly Column<T>[] =>
  columns.filter(({ of }) => rows.some(row => of(row) !== undefined))

/** A cell for people. */
export const cellText = <T>({ of, text }: Column<T>, row: T): string => {
  const value = of(row)
  if (value === undefined) return ''
  return text ? text(value as never) : String(value)
}

/** Names are told apart by so many characters. */
const ENOUGH = 24

/** Columns that fit a terminal with most of their texts: minor ones are left out one by one. */
const fittingColumns = <T>(columns: readonly Column<T>[], rows: readonly T[], width: number): readonly Column<T>[] => {
  const widths = columns.map(column => {
    const natural = Math.max(column.head.length, ...rows.map(row => cellText(column, row).length))
    return rows.some(row => typeof column.of(row) === 'number') ? natural : Math.min(natural, ENOUGH)
  })
  const total = widths.reduce((sum, each) => sum + each + 2, -2)
  const least = columns.reduce((most, { minor = 0 }) => Math.max(most, minor), 0)
  if (total <= width || least === 0) return columns
  const last = columns.findLastIndex(({ minor }) => minor === least)
  return fittingColumns(columns.filter((_, i) => i !== last), rows, width) // prettier-ignore
}

/** The table on a terminal; numbers stand on the right. */
export const columnsText = <T>(terminal: Terminal, given: readonly Column<T>[], rows: readonly T[]): string => {
  const columns = fittingColumns(filledColumns(given, rows), rows, tableWidth(terminal))
  const right = columns.flatMap(({ of }, i) => (rows.some(row => typeof of(row) === 'number') ? [i] : []))
  return tableOf(
    terminal,
    columns.map(({ head }) => head),
    rows.map(row => columns.map(column => cellText(column, row))),
    right,
  )
}

/** RFC 4180; a text that a spreadsheet would compute is held by an apostrophe. */
const csvCell = (value: string | number | undefined): string => {
  if (value === undefined) return ''
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** The rows with all digits, for spreadsheets. */
export const csvOf = <T>(given: readonly Column<T>[], rows: readonly T[]): string => {
  const columns = filledColumns(given, rows)
  const lines = [columns.map(({ key }) => csvCell(key)), ...rows.map(row => columns.map(({ of }) => csvCell(of(row))))]
  return `${lines.map(line => line.join(',')).join('\n')}\n`
}
