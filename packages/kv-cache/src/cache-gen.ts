import { boolean, choice, defineStorage, integer, type EntriesPlace, type StoredEntries } from '@tersor/core'
import { flat } from '@tersor/core/entries'
import { CompressionError } from '@tersor/tensor'
import { byteReader, byteWriter } from './bytes/byte-writer.js'
import { MOST_SYMBOL, readSymbols, writeSymbols, type Tables } from './bytes/channel-symbols.js'

const NAME = 'cache-gen'
/** Of the form of the bytes. */
const VERSION = 1
/** The step of each level, in parts of the root mean square of what is coded. */
const STEPS = [1 / 2, 1 / 4, 1 / 8, 1 / 32]
/** How much coarser later thirds of the layers are. */
const THIRDS = [1, 1.25, 1.5]
/** All of an anchor, in the parts that are told. */
const WHOLE = 16
/** What a file may claim before it is believed. */
const MOST = 2 ** 31

/** The step between two codes. */
const stepOf = ({ values }: StoredEntries, { layer, of }: EntriesPlace, level: number): number => {
  const rootMeanSquare = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const wanted = rootMeanSquare * STEPS[level - 1] * THIRDS[Math.floor((3 * layer) / of)]
  return Math.fround(Math.max(wanted, (2 * largest) / MOST_SYMBOL)) || 1 // a finer step would cut the largest difference
}

const rounded = (value: number, step: number): number => Math.max(-MOST_SYMBOL, Math.min(MOST_SYMBOL, Math.round(value / step)))

/** Where the number of a token and a channel, which is one of rows · size, stands among entries (rows, tokens, size). */
const placesOf =
  ([, entries, size]: StoredEntries['shape']) =>
  (token: number, channel: number): number =>
    (Math.floor(channel / size) * entries + token) * size + (channel % size)

/** How entries are told by those before them. */
interface Grid {
  readonly step: number
  /** Tokens of a group, whose first is the anchor. */
  readonly group: number
}

interface Coded {
  /** Of the first token of each group, (groups, channels). */
  readonly anchors: Int32Array
  /** Of the others, (tokens − groups, channels). */
  readonly others: Int32Array
  /** Of each channel, how many sixteenths of the anchor are taken away. */
  readonly shares: Uint8Array
}

/** What of the anchor tells the others of its group best, Σ x · a / Σ a², from none of it to all. */
const sharesOf = ({ values, shape }: StoredEntries, anchors: Int32Array, { step, group }: Grid): Uint8Array => {
  const [rows, entries, size] = shape
  const channels = rows * size
  const place = placesOf(shape)
  const [products, squares] = [new Float64Array(channels), new Float64Array(channels)]
  for (let token = 0; token < entries; token++) {
    if (token % group === 0) continue
    for (let channel = 0; channel < channels; channel++) {
      const anchor = anchors[Math.floor(token / group) * channels + channel] * step
      products[channel] += values[place(token, channel)] * anchor
      squares[channel] += anchor * anchor
    }
  }
  return Uint8Array.from(products, (product, i) =>
    squares[i] === 0 ? 0 : Math.max(0, Math.min(WHOLE, Math.round((WHOLE * product) / squares[i]))),
  )
}

/** Codes of anchors, and of differences to what is read of them, so that both sides have the same. */
const codesOf = (given: StoredEntries, grid: Grid): Coded => {
  const { values, shape } = given
  const { step, group } = grid
  const [rows, entries, size] = shape
  const channels = rows * size
  const place = placesOf(shape)
  const anchors = new Int32Array(Math.ceil(entries / group) * channels).map((_, at) =>
    rounded(values[place(Math.floor(at / channels) * group, at % channels)], step),
  )
  const shares = sharesOf(given, anchors, grid)
  const others = new Int32Array(entries * channels - anchors.length)
  let at = 0
  for (let token = 0; token < entries; token++) {
    if (token % group === 0) continue
    for (let channel = 0; channel < channels; channel++) {
      const told = (anchors[Math.floor(token / group) * channels + channel] * step * shares[channel]) / WHOLE
      others[at++] = rounded(values[place(token, channel)] - told, step)
    }
  }
  return { anchors, others, shares }
}

/** The numbers that codes stand for. */
const entriesOf = ({ anchors, others, shares }: Coded, shape: StoredEntries['shape'], { step, group }: Grid): StoredEntries => {
  const [rows, entries, size] = shape
  const channels = rows * size
  const place = placesOf(shape)
  const values = new Float32Array(entries * channels)
  let at = 0
  for (let token = 0; token < entries; token++)
    for (let channel = 0; channel < channels; channel++) {
      const anchor = anchors[Math.floor(token / group) * channels + channel] * step
      values[place(token, channel)] = token % group === 0 ? anchor : (anchor * shares[channel]) / WHOLE + others[at++] * step
    }
  return { values, shape }
}

interface Sharing {
  /** Whether anchors and differences have tables in common. */
  readonly together: boolean
  readonly tables: Tables
}

const bytesOf = (
  { anchors, others, shares }: Coded,
  shape: StoredEntries['shape'],
  { step, group }: Grid,
  { together, tables }: Sharing,
): Uint8Array => {
  const channels = shape[0] * shape[2]
  const writer = byteWriter()
  for (const each of [VERSION, ...shape, group, Number(together)]) writer.whole(each)
  writer.float(step)
  if (others.length > 0) shares.forEach(share => writer.whole(share))
  for (const symbols of together ? [flat([anchors, others])] : [anchors, others]) writeSymbols(writer, { symbols, channels }, tables)
  return writer.finish()
}

const decode = (bytes: Uint8Array): StoredEntries => {
  const reader = byteReader(bytes, NAME)
  const version = reader.whole(MOST)
  if (version !== VERSION)
    throw new CompressionError(
      'BAD_FILE',
      `${NAME}: the bytes are of form ${version}.`,
      'Open them with the version of Tersor that wrote them.',
    )
  const [rows, entries, size, group, together] = [0, 0, 0, 0, 0].map(() => reader.whole(MOST))
  const grid = { step: reader.float(), group }
  const channels = rows * size
  const groups = Math.ceil(entries / group)
  if (!(channels * entries <= MOST) || group === 0)
    throw new CompressionError('BAD_FILE', `${NAME}: there are [${rows}, ${entries}, ${size}] entries.`, 'Save the session again.')
  const shares = Uint8Array.from({ length: entries > groups ? channels : 0 }, () => reader.whole(WHOLE))
  const [first, second] = together ? [entries, 0] : [groups, entries - groups]
  const symbols = flat([readSymbols(reader, first, channels), readSymbols(reader, second, channels)])
  const coded = { anchors: symbols.slice(0, groups * channels), others: symbols.subarray(groups * channels), shares }
  reader.end()
  return entriesOf(coded, [rows, entries, size], grid)
}

/**
 * The finest level whose bytes arrive in time over a link, of the sizes of some; undefined where none does: send the text, and read it again there.
 * Liu et al. 2024 choose so for each chunk of a text.
 */
export const levelFor = (
  sizes: ReadonlyMap<number, number>,
  { bitsPerSecond, seconds }: { readonly bitsPerSecond: number; readonly seconds: number },
): number | undefined => {
  const inTime = [...sizes].filter(([, bytes]) => (8 * bytes) / bitsPerSecond <= seconds).map(([level]) => level)
  return inTime.length === 0 ? undefined : Math.max(...inTime)
}

/**
 * CacheGen: a saved cache as a stream. Of each group of tokens the first is an anchor; the others are coded as differences to what each channel takes of it,
 * coarser in later layers, and all by range coding with a distribution for each channel, or for several that are alike.
 * a = s · round(x₀ / s), x̂ = ρ · a + s · round((x − ρ · a) / s), ρ of a channel the best of 0, 1/16 … 1, s = rms(x) · step(level) · (1, 1.25, 1.5 by third of
 * the layers).
 * Throws BAD_OPTION; decoding throws BAD_FILE.
 * Liu et al. 2024, https://arxiv.org/abs/2310.07240
 */
export const cacheGen = defineStorage({
  name: NAME,
  summary: 'writes a saved cache as a stream of differences, range coded with distributions of its channels',
  paper: {
    title: 'CacheGen: KV Cache Compression and Streaming for Fast Large Language Model Serving',
    authors: 'Liu et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2310.07240',
  },
  differs:
    'one step for a layer, anchors among it, instead of one for each token and 8 bits for anchors; a channel takes a part of the anchor; channels that are alike share a table where that costs less; range ANS in place of the arithmetic coder; the released code has no differences',
  options: {
    level: integer({ min: 1, max: 4, default: 3, doc: 'how fine: 1 to 3 as the paper streams them, 4 about as fine as 8 bits' }),
    group: integer({ min: 1, max: 1024, default: 10, doc: 'tokens of a group, whose first is the anchor' }),
    deltas: boolean({ default: true, doc: 'whether the others are coded as differences; otherwise each token by itself' }),
    tables: choice(['auto', 'layer', 'channel'], {
      default: 'auto',
      doc: 'whether channels share tables as costs least, all of a layer, or none',
    }),
  },
  make: ({ level, group, deltas, tables }) => ({
    kind: 'storage',
    encode: (entries, place) => {
      const grid = { step: stepOf(entries, place, level), group: deltas ? group : 1 }
      const coded = codesOf(entries, grid)
      // with tables of their own where those pay
      const [joint, apart] = [true, false].map(together => bytesOf(coded, entries.shape, grid, { together, tables }))
      return joint.length <= apart.length ? joint : apart
    },
    decode,
  }),
})
