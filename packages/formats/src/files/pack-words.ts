import { packBits, unpackBits } from '@tersor/tensor'

const WORD = 32
/** Words that hold `count` codes in one stream without gaps. */
export const wordsFor = (count: number, bits: number): number => Math.ceil((count * bits) / WORD)

const wordBytes = (bytes: Uint8Array, words: number): Uint8Array => {
  if (bytes.length === 4 * words) return bytes
  const padded = new Uint8Array(4 * words)
  padded.set(bytes)
  return padded
}

/** Packs each row of codes (rows, columns) into int32 words, lowest bits first; gives the bytes of (rows, words). */
export const packRows = (codes: Uint8Array, rows: number, columns: number, bits: number): Uint8Array => {
  const words = wordsFor(columns, bits)
  const packed = new Uint8Array(4 * rows * words)
  for (let row = 0; row < rows; row++) {
    packed.set(wordBytes(packBits(codes.subarray(row * columns, (row + 1) * columns), bits), words), 4 * row * words)
  }
  return packed
}

/** The inverse of `packRows`. */
export const unpackRows = (packed: Uint8Array, rows: number, columns: number, bits: number): Uint8Array => {
  const stride = 4 * wordsFor(columns, bits)
  const codes = new Uint8Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    codes.set(unpackBits(packed.subarray(row * stride, (row + 1) * stride), bits, columns), row * columns)
  }
  return codes
}

/** (rows, columns) → (columns, rows). */
export const transposed = <T extends Int8Array | Uint8Array | Uint16Array | Int32Array | Float32Array>(
  values: T,
  rows: number,
  columns: number,
): T => {
  const result = new (values.constructor as new (length: number) => T)(values.length)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column]
  return result
}

const asWords = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.slice().buffer)
const asBytes = (words: Int32Array): Uint8Array => new Uint8Array(words.buffer)

/** Packs each column of codes (rows, columns) into words, lowest bits first; gives the bytes of (words, columns). */
export const packColumns = (codes: Uint8Array, rows: number, columns: number, bits: number): Uint8Array =>
  asBytes(transposed(asWords(packRows(transposed(codes, rows, columns), columns, rows, bits)), columns, wordsFor(rows, bits)))

/** The inverse of `packColumns`. */
export const unpackColumns = (packed: Uint8Array, rows: number, columns: number, bits: number): Uint8Array =>
  transposed(unpackRows(asBytes(transposed(asWords(packed), wordsFor(rows, bits), columns)), columns, rows, bits), columns, rows)
