import { badFile } from '../../files/bad-file.js'
import { createCursor, type Cursor } from '../cursor.js'
import { parseText } from '../../files/json-text.js'
import { MARK, trailingMark } from '../../files/mark.js'
import { checkEntry, type Imatrix, type ImatrixEntry } from './imatrix.js'

/** A length, a name of one letter, two counts and one sum. */
const SMALLEST_ENTRY_BYTES = 17
/** Names of tensors have 64 bytes in ggml, and names of data sets are paths. */
export const MAX_NAME_BYTES = 4096

const readCount = (cursor: Cursor, itemBytes: number, what: string): number => {
  const count = cursor.read('i32', what) as number
  if (count < 0) throw badFile(`${what} claims ${count} items.`)
  cursor.expect(count * itemBytes, what)
  return count
}

const readName = (cursor: Cursor, bytes: Uint8Array, what: string): string => {
  const length = readCount(cursor, 1, what)
  if (length > MAX_NAME_BYTES) throw badFile(`${what} claims ${length} bytes; at most ${MAX_NAME_BYTES} are read.`)
  const start = cursor.take(length, what)
  return parseText(bytes.subarray(start, start + length), what)
}

/** The older form: entries of name, count of calls, sums; then the number of pieces and the name of the text, if at all. */
export const parseDat = (bytes: Uint8Array): Imatrix => {
  const cursor = createCursor(bytes, bytes.length)
  const count = readCount(cursor, SMALLEST_ENTRY_BYTES, 'The list of entries')
  if (count === 0) throw badFile('The importance matrix has no entries.', 'Pass a file that llama-imatrix or Tersor wrote.')
  const entries = new Map<string, ImatrixEntry>()
  for (let i = 0; i < count; i++) {
    const name = readName(cursor, bytes, `The name of entry ${i}`)
    if (entries.has(name)) throw badFile(`The entry "${name}" comes twice.`, undefined, { name })
    const calls = cursor.read('i32', `Entry "${name}"`) as number
    const length = readCount(cursor, 4, `Entry "${name}"`)
    const start = cursor.take(length * 4, `Entry "${name}"`)
    entries.set(name, checkEntry(name, { sums: new Float32Array(bytes.slice(start, start + length * 4).buffer), calls: [calls] }))
  }
  if (cursor.position() === bytes.length) return Object.freeze({ entries, chunks: 0, datasets: Object.freeze([]) })
  const chunks = readCount(cursor, 0, 'The number of pieces')
  const dataset = cursor.position() === bytes.length ? '' : readName(cursor, bytes, 'The name of the text')
  const rest = new TextDecoder('latin1').decode(bytes.subarray(cursor.position()))
  if (rest !== '' && rest !== MARK) throw badFile(`The file goes on for ${bytes.length - cursor.position()} bytes after its end.`)
  return Object.freeze({ entries, chunks, datasets: Object.freeze(dataset === '' ? [] : [dataset]) })
}

/** One count for all experts, as the form wants: means survive, the counts of experts do not. */
const flatten = ({ sums, calls }: ImatrixEntry): ImatrixEntry => {
  if (calls.length === 1) return { sums, calls }
  const largest = Math.max(1, ...calls)
  const columns = sums.length / calls.length
  const scaled = sums.map((sum, i) => {
    const count = calls[Math.floor(i / columns)]
    return count > 0 ? (sum / count) * largest : largest
  })
  return { sums: scaled, calls: [largest] }
}

export const encodeDat = ({ entries, chunks, datasets }: Imatrix): Uint8Array => {
  const pieces: Uint8Array[] = []
  const number = (value: number): void => void pieces.push(new Uint8Array(Int32Array.of(value).buffer))
  const text = (value: string): void => {
    const bytes = new TextEncoder().encode(value)
    number(bytes.length)
    pieces.push(bytes)
  }
  number(entries.size)
  for (const [name, entry] of entries) {
    const { sums, calls } = flatten(entry)
    text(name)
    number(calls[0])
    number(sums.length)
    pieces.push(new Uint8Array(sums.buffer, sums.byteOffset, sums.byteLength))
  }
  number(chunks)
  text(datasets[0] ?? '')
  pieces.push(trailingMark())
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
