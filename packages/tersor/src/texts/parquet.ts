import { CompressionError } from '@tersor/tensor'
import type { FileMetaData, SchemaTree } from 'hyparquet'

/** Rows that are read at most, in runs spread over the file: more than any calibration takes, and memory holds them. */
const MOST_ROWS = 65_536
const RUNS = 16

const bad = (path: string, what: string, remedy: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_DATA', `${path} ${what}.`, remedy, { path }, cause)

/** Runs of rows, [start, end), spread evenly; all of them where there are few. */
const runsOf = (rows: number, most: number): readonly (readonly [number, number])[] => {
  if (rows <= most) return [[0, rows]]
  const runs = Math.min(RUNS, most)
  const length = Math.floor(most / runs)
  return Array.from({ length: runs }, (_, i) => {
    const start = Math.floor((i * (rows - length)) / Math.max(1, runs - 1))
    return [start, start + length] as const
  })
}

/** A column of texts, not of structures or lists of them. */
const isFlat = ({ children }: SchemaTree): boolean => children.length === 0

/** Columns to read: those of one of the sets that rows may have, the first that is there. Throws BAD_DATA. */
const columnsOf = (path: string, { children }: SchemaTree, sets: readonly (readonly string[])[]): readonly string[] => {
  const byName = new Map(children.map(child => [child.element.name, child]))
  const found = sets.find(set => set.every(name => byName.has(name)))
  if (!found) {
    const names = children.map(child => `${child.element.name}${isFlat(child) ? '' : ' (nested)'}`)
    throw bad(path, `has the columns ${names.join(', ')}`, 'Name a column "text" or "messages", or two "prompt" and "completion".')
  }
  const nested = found.find(name => name === 'text' && !isFlat(byName.get(name)!))
  if (nested) throw bad(path, `holds structures in its column "${nested}", not texts`, 'Write the texts into a column of their own.')
  return found
}

interface NumberedRow {
  readonly value: unknown
  /** Counted from 1. */
  readonly number: number
}

/** The rows of a Parquet file, of how many: of the columns that hold text; throws BAD_DATA. */
export const parquetRows = async (
  path: string,
  sets: readonly (readonly string[])[],
  most = MOST_ROWS,
): Promise<{ readonly rows: readonly NumberedRow[]; readonly of: number }> => {
  const [{ asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ])
  const broken = (cause: unknown): never => {
    const reason = String((cause as Error)?.message ?? cause).split('\n')[0]
    throw bad(path, `is no Parquet file that can be read: ${reason}`, 'Write it again, or pass the texts as .jsonl.', cause)
  }
  const file = await asyncBufferFromFile(path)
  const metadata: FileMetaData = await parquetMetadataAsync(file).catch(broken)
  const columns = columnsOf(path, parquetSchema(metadata), sets)
  const of = Number(metadata.num_rows)
  const rows: NumberedRow[] = []
  for (const [rowStart, rowEnd] of runsOf(of, most)) {
    const read = parquetReadObjects({ file, metadata, columns: [...columns], rowStart, rowEnd, compressors })
    for (const [i, value] of (await read.catch(broken)).entries()) rows.push({ value, number: rowStart + i + 1 })
  }
  return { rows, of }
}
