import { documentsOf } from '@tersor/evaluation'
import { readBytes } from '@tersor/evaluation/internal/read-bytes'
import { decodeText } from '@tersor/evaluation/internal/text-bytes'
import { CompressionError } from '@tersor/tensor'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { parquetRows } from './parquet.js'

/** One row of a data set as it was read: a text, or an object with fields. */
export interface Row {
  readonly value: unknown
  /** Where it stands, for errors: "chat.jsonl, line 3". */
  readonly where: string
}

/** The rows of a file that are read, of how many. */
export interface Rows {
  readonly rows: readonly Row[]
  readonly of: number
}

/** Fields that a row may have; of several sets the first that it has all of. */
export const FIELDS: readonly (readonly string[])[] = [['messages'], ['prompt', 'completion'], ['text']]

const bad = (path: string, what: string, remedy: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_DATA', `${path} ${what}.`, remedy, { path }, cause)

const parse = (text: string, path: string, where: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw bad(path, `${where}is no JSON: ${(cause as Error).message}`, 'Write the file again, or take the line out.', cause)
  }
}

const all = (rows: readonly Row[]): Rows => ({ rows, of: rows.length })

const lines = (path: string, bytes: Uint8Array): Rows =>
  all(
    decodeText(path, bytes)
      .split('\n')
      .flatMap((line, i) =>
        line.trim() === '' ? [] : [{ value: parse(line, path, `has a line ${i + 1} that `), where: `${path}, line ${i + 1}` }],
      ),
  )

const list = (path: string, bytes: Uint8Array): Rows => {
  const value = parse(decodeText(path, bytes), path, '')
  if (Array.isArray(value)) return all(value.map((each: unknown, i) => ({ value: each, where: `${path}, entry ${i + 1}` })))
  throw bad(path, 'holds one JSON object, as settings do, not texts', 'Pass .txt, .jsonl or .parquet, or .json with a list of rows.')
}

const documents = (path: string, bytes: Uint8Array): Rows =>
  all(documentsOf(path, bytes).map((value, i) => ({ value, where: `${path}, document ${i + 1}` })))

type Reader = (path: string, bytes: Uint8Array) => Rows

/** By the end of a file's name; everything else is plain text. */
const READERS: Readonly<Record<string, Reader>> = { '.jsonl': lines, '.ndjson': lines, '.json': list, '.txt': documents, '.md': documents }
const PARQUET = '.parquet'
const ZIPPED = '.gz'

/** Ends of files that hold texts, for folders of them. */
export const TEXT_ENDS: readonly string[] = [...Object.keys(READERS).flatMap(end => [end, `${end}${ZIPPED}`]), PARQUET]

/** Settings, which are text but none to learn from. */
const SETTINGS = /(\.(ya?ml|toml|ini|cfg|lock)|\.config\.[cm]?[jt]s|(^|[/\\])(package|tsconfig)[^/\\]*\.json)$/i

const unzipped = async (path: string, bytes: Uint8Array): Promise<Uint8Array> =>
  promisify(gunzip)(bytes).catch((cause: Error) => {
    throw bad(path, `cannot be unzipped: ${cause.message}`, 'Get the file again.', cause)
  })

/** Reads the rows of a file. Throws NOT_FOUND or DISK for it, and BAD_DATA where it is binary, settings, damaged or empty. */
export const readRows = async (path: string): Promise<Rows> => {
  const name = path.toLowerCase()
  if (SETTINGS.test(name)) throw bad(path, 'holds settings, not texts', 'Pass .txt, .jsonl or .parquet, or .json with a list of rows.')
  const read = async (): Promise<Rows> => {
    if (name.endsWith(PARQUET)) {
      const { rows, of } = await parquetRows(path, FIELDS)
      return { rows: rows.map(({ value, number }) => ({ value, where: `${path}, row ${number}` })), of }
    }
    const isZipped = name.endsWith(ZIPPED)
    const bytes = isZipped ? await unzipped(path, await readBytes(path)) : await readBytes(path)
    const plain = isZipped ? name.slice(0, -ZIPPED.length) : name
    const end = Object.keys(READERS).find(each => plain.endsWith(each)) ?? '.txt'
    return READERS[end](path, bytes)
  }
  const found = await read()
  if (found.rows.length > 0) return found
  throw bad(path, 'holds no rows', 'Pass a file with texts in it.')
}
