import Table from 'cli-table3'
import { stripVTControlCharacters } from 'node:util'
import { paint, type Terminal } from './output.js'

/** Space between columns. */
const GAP = 2
/** Texts are not shortened below this. */
const SHORTEST = 10
const NO_FRAME = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'])
    .map(name => [name, '']),
)

/** Columns of characters that a line may take; no end where results go into a file. */
export const tableWidth = ({ out }: Pick<Terminal, 'out'>): number => {
  const { columns } = out as { readonly columns?: number }
  return columns || Number(process.env.COLUMNS) || Infinity
}

const lengthOf = (cell: string): number => stripVTControlCharacters(cell).length

/** A text of at most so many characters, with … in its middle: beginnings and ends of names tell them apart. */
export const shortened = (text: string, most: number): string => {
  if (text.length <= most) return text
  const end = Math.ceil((most - 1) / 2)
  return `${text.slice(0, most - 1 - end)}…${text.slice(text.length - end)}`
}

/** The same of a text that may be coloured. */
const shortenedCell = (cell: string, most: number): string => {
  const plain = stripVTControlCharacters(cell)
  if (plain.length <= most) return cell
  return plain === cell ? shortened(plain, most) : cell.replace(plain, shortened(plain, most))
}

/** Takes from the widest texts until all fits; undefined where they would become too short. */
const fitted = (widths: readonly number[], fixed: readonly number[], width: number): readonly number[] | undefined => {
  const result = [...widths]
  const total = (): number => result.reduce((sum, each) => sum + each, 0) + GAP * (result.length - 1)
  while (total() > width) {
    const loose = result.map((each, i) => (fixed.includes(i) ? 0 : each))
    const widest = loose.indexOf(Math.max(...loose))
    if (loose[widest] <= SHORTEST) return undefined
    result[widest]--
  }
  return result
}

/** Each row by itself, for terminals that are narrower than its numbers. */
const stacked = (terminal: Terminal, head: readonly string[], rows: readonly (readonly string[])[], width: number): string =>
  rows
    .flatMap(([name, ...cells]) => {
      const lines = [shortenedCell(name, width)]
      for (const [i, cell] of cells.entries()) {
        if (lengthOf(cell) === 0) continue
        const label = head[i + 1]
        const pair = `${paint(terminal, label, 'dim')} ${shortenedCell(cell, Math.max(SHORTEST, width - label.length - 3))}`
        const last = lines.at(-1)!
        if (lines.length > 1 && lengthOf(last) + GAP + lengthOf(pair) <= width) lines[lines.length - 1] = `${last}  ${pair}`
        else lines.push(`  ${pair}`)
      }
      return lines
    })
    .join('\n')

/** Columns without a frame: names on the left, numbers (those of `right`) on the right; texts are shortened where the terminal ends. */
export const tableOf = (
  terminal: Terminal,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  right: readonly number[] = [],
): string => {
  const texts = rows.map(row => row.map(String))
  const natural = head.map((name, i) => texts.reduce((most, row) => Math.max(most, lengthOf(row[i] ?? '')), name.length))
  const width = tableWidth(terminal)
  const widths = fitted(natural, right, width)
  if (!widths) return stacked(terminal, head, texts, width)
  const table = new Table({
    head: head.map((name, i) => paint(terminal, shortened(name, widths[i]), 'dim')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP },
    colAligns: head.map((_, i) => (right.includes(i) ? 'right' : 'left')),
    colWidths: widths.map(each => each + GAP),
    chars: NO_FRAME,
  })
  table.push(...texts.map(row => row.map((cell, i) => shortenedCell(cell, widths[i]))))
  return table
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .filter(line => line !== '')
    .join('\n')
}

/** Breaks a text between words where the terminal ends; later lines are indented by two. */
export const inLines = (terminal: Pick<Terminal, 'out'>, text: string): string => {
  const width = tableWidth(terminal)
  const [first, ...words] = text.split(' ')
  const lines = [first]
  for (const word of words) {
    const last = lines.at(-1)!
    const joined = `${last} ${word}`
    if (lengthOf(joined) <= width || last.trim() === '') lines[lines.length - 1] = joined
    else lines.push(`  ${shortenedCell(word, width - 2)}`)
  }
  return lines.map(line => shortenedCell(line, width).trimEnd()).join('\n')
}
