import { integerTable } from '@tersor/kernels/integer-table'
import { decodeSymbols, encodeSymbols } from '@tersor/kernels/range-coder'
import type { ByteReader, ByteWriter } from './byte-writer.js'

/** Fine enough for a thousand symbols, and a width mostly fits in one or two bytes. */
const PRECISION = 12
/** How many tables are tried, besides one for each channel. */
const COUNTS = [1, 4, 16, 64]
/** Symbols go that far on both sides. */
export const MOST_SYMBOL = 511

/** Whole numbers by token and channel, (tokens, channels). */
export interface ChannelSymbols {
  readonly symbols: Int32Array
  readonly channels: number
}

/** Channels in classes of neighbours in spread, each with a table. */
interface Classes {
  /** Of each channel. */
  readonly of: Int32Array
  readonly lowest: readonly number[]
  /** How often each symbol from the lowest on stands in a class. */
  readonly counts: readonly Int32Array[]
}

/** Mean magnitude of the symbols of each channel. */
const spreads = ({ symbols, channels }: ChannelSymbols): Float64Array => {
  const sums = new Float64Array(channels)
  symbols.forEach((symbol, at) => (sums[at % channels] += Math.abs(symbol)))
  return sums
}

const classesOf = (all: ChannelSymbols, count: number): Classes => {
  const { symbols, channels } = all
  const sums = spreads(all)
  const order = Array.from({ length: channels }, (_, i) => i).sort((a, b) => sums[a] - sums[b] || a - b)
  const of = new Int32Array(channels)
  order.forEach((channel, rank) => (of[channel] = Math.floor((rank * count) / channels)))
  const lowest = new Array<number>(count).fill(Infinity)
  const highest = new Array<number>(count).fill(-Infinity)
  symbols.forEach((symbol, at) => {
    const own = of[at % channels]
    lowest[own] = Math.min(lowest[own], symbol)
    highest[own] = Math.max(highest[own], symbol)
  })
  const counts = lowest.map((low, i) => new Int32Array(highest[i] - low + 1))
  symbols.forEach((symbol, at) => counts[of[at % channels]][symbol - lowest[of[at % channels]]]++)
  return { of, lowest, counts }
}

/** Bytes that classes take, their tables among them, nearly. */
const costOf = ({ of, counts }: Classes): number => {
  let bits = counts.length === 1 ? 0 : 8 * of.length
  for (const each of counts) {
    const total = each.reduce((sum, count) => sum + count, 0)
    for (const count of each) bits += 8 + (count === 0 ? 0 : count * Math.log2(total / count))
  }
  return bits / 8
}

/** How tables are shared: by all channels, one for each, or as costs least. */
export type Tables = 'auto' | 'layer' | 'channel'

const chooseClasses = (all: ChannelSymbols, tables: Tables): Classes => {
  if (tables !== 'auto') return classesOf(all, tables === 'layer' ? 1 : all.channels)
  const counts = [...COUNTS.filter(count => count < all.channels), all.channels]
  const each = counts.map(count => classesOf(all, count))
  return each.reduce((best, classes) => (costOf(classes) < costOf(best) ? classes : best))
}

/** The class of each symbol. */
const chosenFor = (of: Int32Array, count: number): Int32Array => Int32Array.from({ length: count }, (_, at) => of[at % of.length])

/** Writes symbols by range ANS with a table for each class of channels, which stand before them. */
export const writeSymbols = (writer: ByteWriter, all: ChannelSymbols, tables: Tables): void => {
  if (all.symbols.length === 0) return
  const classes = chooseClasses(all, tables)
  const { of, lowest, counts } = classes
  const bounds = counts.map(each => integerTable(each, PRECISION))
  writer.whole(counts.length)
  if (counts.length > 1) of.forEach(own => writer.whole(own))
  bounds.forEach((table, i) => {
    writer.whole(lowest[i] + MOST_SYMBOL)
    writer.whole(table.length - 2)
    for (let j = 1; j < table.length - 1; j++) writer.whole(table[j] - table[j - 1]) // the last width is what is left
  })
  const above = Int32Array.from(all.symbols, (symbol, at) => symbol - lowest[of[at % of.length]])
  writer.bytes(encodeSymbols(above, chosenFor(of, above.length), { precision: PRECISION, bounds }))
}

const readTable = (reader: ByteReader): readonly [lowest: number, bounds: Int32Array] => {
  const lowest = reader.whole(2 * MOST_SYMBOL) - MOST_SYMBOL
  const bounds = new Int32Array(reader.whole(2 * MOST_SYMBOL) + 2)
  for (let i = 1; i < bounds.length - 1; i++) bounds[i] = bounds[i - 1] + reader.whole(2 ** PRECISION)
  bounds[bounds.length - 1] = 2 ** PRECISION
  return [lowest, bounds]
}

export const readSymbols = (reader: ByteReader, tokens: number, channels: number): Int32Array => {
  if (tokens === 0) return new Int32Array(0)
  const count = reader.whole(channels)
  const of = Int32Array.from({ length: channels }, () => (count > 1 ? reader.whole(count - 1) : 0))
  const tables = Array.from({ length: count }, () => readTable(reader))
  const chosen = chosenFor(of, tokens * channels)
  const above = decodeSymbols(reader.bytes(), chosen, { precision: PRECISION, bounds: tables.map(([, bounds]) => bounds) })
  return above.map((symbol, at) => symbol + tables[chosen[at]][0])
}
