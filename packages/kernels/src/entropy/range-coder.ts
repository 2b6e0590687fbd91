import { CompressionError } from '@tersor/tensor'
import { wasmKernels } from '../wasm.js'
import { MAX_PRECISION } from './integer-table.js'

/** Tables that symbols are coded by: bounds as `integerTable` makes them, all of one precision. */
export interface SymbolTables {
  readonly precision: number
  readonly bounds: readonly Int32Array[]
}

interface Layout {
  readonly all: Int32Array
  readonly starts: Int32Array
}

/** All tables one behind the other; throws BAD_OPTION for bounds that do not ascend from 0 to 2^precision. */
const layoutOf = ({ precision, bounds }: SymbolTables): Layout => {
  const starts = new Int32Array(bounds.length)
  const all = new Int32Array(bounds.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  bounds.forEach((table, i) => {
    const ascends = table.every((bound, j) => (j === 0 ? bound === 0 : bound > table[j - 1]))
    if (precision > MAX_PRECISION || table.length < 2 || !ascends || table[table.length - 1] !== 2 ** precision)
      throw new CompressionError('BAD_OPTION', `Table ${i} does not ascend from 0 to ${2 ** precision}.`, 'Make it by integerTable.')
    starts[i] = at
    all.set(table, at)
    at += table.length
  })
  return { all, starts }
}

const checkSymbols = (symbols: Int32Array, chosen: ArrayLike<number>, { bounds }: SymbolTables): void => {
  if (symbols.length !== chosen.length)
    throw new CompressionError('SHAPE', `There are ${symbols.length} symbols, and tables for ${chosen.length}.`, 'Pass one for each.')
  symbols.forEach((symbol, i) => {
    const size = (bounds[chosen[i]]?.length ?? 0) - 1
    if (symbol >= 0 && symbol < size) return
    const what = size < 0 ? `There is no table ${chosen[i]} for symbol ${i}.` : `Symbol ${i} is ${symbol}, and its table has ${size}.`
    throw new CompressionError('BAD_DATA', what, 'Choose tables that hold the symbols.')
  })
}

/** Bytes that a symbol takes at most, and those of the state. */
const MOST = 3
const STATE = 4

/**
 * Symbols as bytes, each by the table that `chosen` names: range ANS, 32 bits of state, within some bytes of Σ −log₂(width / 2^precision).
 * The same bytes on every engine and machine: all of it is whole numbers.
 * Throws BAD_OPTION, SHAPE and BAD_DATA for tables that are none, and symbols that they do not have.
 * Duda 2013, https://arxiv.org/abs/1311.2540
 */
export const encodeSymbols = (symbols: Int32Array, chosen: ArrayLike<number>, tables: SymbolTables): Uint8Array => {
  const { all, starts } = layoutOf(tables)
  checkSymbols(symbols, chosen, tables)
  const count = symbols.length
  const kernels = wasmKernels()
  const room = MOST * count + STATE
  const arena = kernels.arena(4 * (2 * count + all.length) + room + 64)
  const [given, from, bounds, to] = [arena.i32(count), arena.i32(count), arena.i32(all.length), arena.u8(room)]
  given.set(symbols)
  bounds.set(all)
  for (let i = 0; i < count; i++) from[i] = starts[chosen[i]]
  const end = to.byteOffset + room
  const first = kernels.encodeSymbols(given.byteOffset, from.byteOffset, count, bounds.byteOffset, tables.precision, end)
  return to.slice(first - to.byteOffset)
}

/**
 * The symbols again. Throws BAD_DATA where the bytes were cut or changed so that they do not end with the last symbol; a change may also give other symbols,
 * which a digest beside them tells.
 */
export const decodeSymbols = (bytes: Uint8Array, chosen: ArrayLike<number>, tables: SymbolTables): Int32Array => {
  const { all, starts } = layoutOf(tables)
  const count = chosen.length
  const kernels = wasmKernels()
  const arena = kernels.arena(4 * (3 * count + all.length) + bytes.length + STATE + 96)
  const [given, from, sizes] = [arena.u8(Math.max(STATE, bytes.length)), arena.i32(count), arena.i32(count)]
  const [bounds, symbols] = [arena.i32(all.length), arena.i32(count)]
  given.set(bytes)
  bounds.set(all)
  for (let i = 0; i < count; i++) {
    const table = tables.bounds[chosen[i]]
    if (!table) throw new CompressionError('BAD_DATA', `There is no table ${chosen[i]} for symbol ${i}.`, 'Choose tables that are there.')
    from[i] = starts[chosen[i]]
    sizes[i] = table.length - 1
  }
  const places = [given.byteOffset, bytes.length, from.byteOffset, sizes.byteOffset, count] as const
  const isWhole = bytes.length >= STATE && kernels.decodeSymbols(...places, bounds.byteOffset, tables.precision, symbols.byteOffset) === 1
  if (isWhole) return symbols.slice()
  throw new CompressionError(
    'BAD_DATA',
    `${bytes.length} bytes do not end with the last of ${count} symbols.`,
    'They were cut or changed: get them again.',
  )
}
