import { fraction, integer } from '@tersor/core'
import {
  bestRice,
  decodeHuffman,
  decodeRice,
  encodeHuffman,
  encodeRice,
  gapsOf,
  huffmanLengths,
  kMeans,
  spreadByGaps,
} from '@tersor/kernels'
import { placesOfLargest } from '@tersor/kernels/vectors'
import { CompressionError, sizeOf } from '@tersor/tensor'
import { countOf, defineCodec } from './define-codec.js'
import { checkDensity } from './drawn-places.js'
import { floats, floatsOf, joined, octets } from './message.js'

/** How the symbols of a message are written. */
const [SYMBOLS, GAPS] = [0, 1]

const countsOf = (symbols: Uint8Array, clusters: number): Float64Array => {
  const counts = new Float64Array(clusters)
  symbols.forEach(symbol => counts[symbol]++)
  return counts
}

/** Lengths of the codes, and the codes of all symbols. */
const writtenWhole = (symbols: Uint8Array, clusters: number): Uint8Array => {
  const lengths = huffmanLengths(countsOf(symbols, clusters))
  return joined([lengths, encodeHuffman(symbols, lengths)])
}

/** What stands before gaps: how many, the bytes that they take, and their parameter. */
const HEADER = 9

/** Where symbols above 0 are, as gaps, and which they are. */
const writtenAsGaps = (symbols: Uint8Array, clusters: number): Uint8Array => {
  const others = symbols.filter(symbol => symbol > 0)
  const gaps = gapsOf(symbols)
  const parameter = bestRice(gaps)
  const codes = encodeRice(gaps, parameter)
  const header = new Uint8Array(HEADER)
  const view = new DataView(header.buffer)
  view.setUint32(0, others.length, true)
  view.setUint32(4, codes.length, true)
  view.setUint8(8, parameter)
  return joined([header, codes, writtenWhole(others, clusters)])
}

const readWhole = (bytes: Uint8Array, clusters: number, count: number): Int32Array =>
  decodeHuffman(bytes.subarray(clusters), bytes.slice(0, clusters), count)

const damaged = (n: number): CompressionError =>
  new CompressionError('PEERS_DIFFER', `A message of fed-zip does not fit a tensor of ${n} numbers.`, 'Give all workers the same codec and the same model.', { n }) // prettier-ignore

/** Symbols above 0 again, by their gaps. */
const readGaps = (bytes: Uint8Array, clusters: number, n: number): Int32Array => {
  if (bytes.length < HEADER) throw damaged(n)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [count, length] = [view.getUint32(0, true), view.getUint32(4, true)]
  if (count > n) throw damaged(n)
  const gaps = decodeRice(bytes.subarray(HEADER, HEADER + length), view.getUint8(8), count)
  const others = readWhole(bytes.subarray(HEADER + length), clusters, count)
  const symbols = spreadByGaps(gaps, others, n)
  if (!symbols) throw damaged(n)
  return symbols
}

/**
 * FedZip: the largest magnitudes become the centre of their cluster, all others 0, and the symbols travel as canonical Huffman codes or, where that is
 * shorter, as Rice codes of the gaps between those that are not 0. C(x)ᵢ = centre of xᵢ's cluster where |xᵢ| is among the density · n largest,
 * else 0; contractive, since each centre is the mean of its cluster. 4 (clusters − 1) + 5 + clusters bytes and the codes, from a bit a number down to
 * log₂(1 / density) + 3 or so bits for each that is kept. Throws BAD_OPTION; PEERS_DIFFER for a message that does not fit.
 * Malekijoo et al. 2021, https://arxiv.org/abs/2102.01593
 */
export const fedZip = defineCodec({
  name: 'fed-zip',
  summary: 'sends the largest numbers as few centres, in Huffman codes',
  paper: { title: 'FEDZIP: A Compression Framework for Communication-Efficient Federated Learning', authors: 'Malekijoo et al.', year: 2021, url: 'https://arxiv.org/abs/2102.01593' }, // prettier-ignore
  differs: '0 is a centre by itself, so that what was left out stays 0; gaps are Rice codes, which say where they end, and addresses of fixed width, which are never shorter, are left out; gradients of each step travel, and not models', // prettier-ignore
  options: {
    density: fraction({ default: 0.2, doc: 'part of the numbers that is kept, one of each tensor at least', inclusive: true }),
    clusters: integer({ min: 2, max: 24, default: 3, doc: 'centres, 0 included' }),
  },
  check: checkDensity,
  make: ({ density, clusters }) => ({
    promises: 'contractive',
    reduce: 'gather',
    layout: shape => ({
      centres: { dtype: 'f32', shape: [clusters - 1] },
      written: { dtype: 'u8', shape: [1] },
      codes: { dtype: 'u8', shape: [clusters + Math.ceil((sizeOf(shape) * (clusters - 1)) / 8)], varies: true },
    }),
    encode: (values, shape, { own }) => {
      const places = placesOfLargest(values, countOf(shape, density))
      const found = Math.min(clusters - 1, places.length)
      const kept = Float32Array.from(places, place => values[place])
      const { centres: means, assignment } = kMeans(kept, { clusters: found, rng: own.fork('centres') })
      const centres = new Float32Array(clusters - 1)
      centres.set(means)
      const symbols = new Uint8Array(values.length)
      places.forEach((place, i) => (symbols[place] = 1 + assignment[i]))
      const [whole, gaps] = [writtenWhole(symbols, clusters), writtenAsGaps(symbols, clusters)]
      const isWhole = whole.length <= gaps.length
      return { centres: floats(centres), written: octets(Uint8Array.of(isWhole ? SYMBOLS : GAPS)), codes: octets(isWhole ? whole : gaps) }
    },
    decode: ({ centres, written, codes: { bytes } }, shape, into) => {
      const n = sizeOf(shape)
      const symbols = written.bytes[0] === SYMBOLS ? readWhole(bytes, clusters, n) : readGaps(bytes, clusters, n)
      const values = [0, ...floatsOf(centres)]
      symbols.forEach((symbol, i) => (into[i] = values[symbol]))
    },
  }),
})
