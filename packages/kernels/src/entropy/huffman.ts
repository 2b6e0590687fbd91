import { CompressionError } from '@tersor/tensor'
import { bitReader, bitWriter } from './bits.js'

/** The longest code. */
export const MAX_CODE = 24

interface Node {
  readonly weight: number
  readonly symbols: readonly number[]
}

/** Lengths of the best codes, without a limit: the two lightest are joined until one is left. */
const joinedLengths = (counts: ArrayLike<number>): Uint8Array => {
  const lengths = new Uint8Array(counts.length)
  let nodes: Node[] = Array.from(counts, (weight, symbol) => ({ weight, symbols: [symbol] })).filter(({ weight }) => weight > 0)
  if (nodes.length === 1) lengths[nodes[0].symbols[0]] = 1
  while (nodes.length > 1) {
    nodes = nodes.sort((a, b) => a.weight - b.weight || a.symbols[0] - b.symbols[0])
    const [first, second, ...others] = nodes
    const symbols = [...first.symbols, ...second.symbols]
    for (const symbol of symbols) lengths[symbol]++
    nodes = [...others, { weight: first.weight + second.weight, symbols }]
  }
  return lengths
}

/**
 * How many bits the code of each symbol has, by how often each is there: Σ counts · lengths is the least that codes of whole bits can take. 0 of
 * what is not there, 1 of a symbol that is alone. Codes have 24 bits at most: where they would have more, rare symbols are taken for less rare.
 * Throws BAD_OPTION for counts that are no whole numbers from 0 on. Huffman 1952, https://doi.org/10.1109/JRPROC.1952.273898
 */
export const huffmanLengths = (counts: ArrayLike<number>): Uint8Array => {
  const bad = Array.from(counts).findIndex(count => !(Number.isInteger(count) && count >= 0))
  if (bad >= 0) throw new CompressionError('BAD_OPTION', `The count of symbol ${bad} is ${counts[bad]}.`, 'Pass whole numbers from 0 on.', { symbol: bad }) // prettier-ignore
  let flattened = Float64Array.from(counts)
  for (;;) {
    const lengths = joinedLengths(flattened)
    if (lengths.every(length => length <= MAX_CODE)) return lengths
    flattened = flattened.map(count => Math.ceil(count / 2))
  }
}

interface CanonicalCodes {
  /** Symbols in the order of their codes: by length, then by number. */
  readonly ordered: readonly number[]
  readonly codeOf: Int32Array
  /** Of each length: its first code, where its symbols begin in that order, and how many there are. */
  readonly first: Int32Array
  readonly start: Int32Array
  readonly count: Int32Array
}

/** Codes of such lengths: of each length they are numbers in a row, so that the lengths alone tell them. */
const canonicalCodes = (lengths: Uint8Array): CanonicalCodes => {
  const ordered = [...lengths.keys()].filter(symbol => lengths[symbol] > 0).sort((a, b) => lengths[a] - lengths[b] || a - b)
  const [first, start, count] = [0, 1, 2].map(() => new Int32Array(MAX_CODE + 2))
  for (const symbol of ordered) count[lengths[symbol]]++
  for (let length = 1; length <= MAX_CODE; length++) {
    first[length] = (first[length - 1] + count[length - 1]) * 2
    start[length] = start[length - 1] + count[length - 1]
    if (first[length] + count[length] > 2 ** length)
      throw new CompressionError('BAD_DATA', `There are more codes of up to ${length} bits than bits tell apart.`, 'Pass lengths that huffmanLengths made.', { length }) // prettier-ignore
  }
  const codeOf = new Int32Array(lengths.length)
  ordered.forEach((symbol, i) => (codeOf[symbol] = first[lengths[symbol]] + i - start[lengths[symbol]]))
  return { ordered, codeOf, first, start, count }
}

const checkLengths = (lengths: Uint8Array): void => {
  const long = lengths.findIndex(length => length > MAX_CODE)
  if (long >= 0) throw new CompressionError('BAD_DATA', `The code of symbol ${long} has ${lengths[long]} bits, ${MAX_CODE} at most.`, 'Pass lengths that huffmanLengths made.', { symbol: long }) // prettier-ignore
}

/** Symbols as canonical Huffman codes of such lengths, one behind the other. Throws BAD_DATA for a symbol without a code. */
export const encodeHuffman = (symbols: ArrayLike<number>, lengths: Uint8Array): Uint8Array => {
  checkLengths(lengths)
  const { codeOf } = canonicalCodes(lengths)
  let bits = 0
  for (let i = 0; i < symbols.length; i++) {
    const length = lengths[symbols[i]]
    if (!length) throw new CompressionError('BAD_DATA', `Symbol ${i} is ${symbols[i]}, which has no code.`, 'Count all symbols before making lengths.', { at: i }) // prettier-ignore
    bits += length
  }
  const writer = bitWriter(bits)
  for (let i = 0; i < symbols.length; i++) writer.put(codeOf[symbols[i]], lengths[symbols[i]])
  return writer.bytes()
}

/** So many symbols again. Throws BAD_DATA where codes end early or are none. */
export const decodeHuffman = (bytes: Uint8Array, lengths: Uint8Array, count: number): Int32Array => {
  checkLengths(lengths)
  const codes = canonicalCodes(lengths)
  const reader = bitReader(bytes)
  return Int32Array.from({ length: count }, (_, i) => {
    for (let [length, code] = [1, 0]; length <= MAX_CODE; length++) {
      code = 2 * code + reader.next()
      const rank = code - codes.first[length]
      if (rank >= 0 && rank < codes.count[length]) return codes.ordered[codes.start[length] + rank]
    }
    throw new CompressionError('BAD_DATA', `The code of symbol ${i} is none.`, 'Read the whole file or message again.', { at: i })
  })
}
