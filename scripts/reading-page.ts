import { READINGS, type Fate, type Reading, type ReadingRow } from '@tersor/formats/reading'
import { NETWORK_READING } from '@tersor/models/reading'
import { ONNX_READING } from '@tersor/onnx/reading'

const FATES: Readonly<Record<Fate, string>> = { read: 'Read', kept: 'Kept as it is', refused: 'Refused, or left out with a note' }

/** A cell of a table: a bar would end it. */
const cell = (text: string): string => text.replaceAll('|', '\\|')

const table = (rows: readonly ReadingRow[]): string =>
  ['| what | how |', '| --- | --- |', ...rows.map(({ what, how }) => `| ${cell(what)} | ${cell(how)} |`)].join('\n')

const section = ({ source, rows }: Reading): string => {
  const parts = (Object.keys(FATES) as Fate[]).map(fate => [FATES[fate], rows.filter(row => row.fate === fate)] as const)
  const shown = parts.filter(([, some]) => some.length > 0).map(([title, some]) => `**${title}**\n\n${table(some)}`)
  return [`## ${source}`, ...shown].join('\n\n')
}

/** docs/reading.md, before it is formatted: one section a source, from the tables that the readers go by. */
export const readingPage = (): string =>
  [
    '# What is read, kept and refused',
    'Made by `npm run reading` from the tables that the readers use: change those, not this page.',
    ...[...READINGS, ONNX_READING, NETWORK_READING].map(section),
    '',
  ].join('\n\n')
