import { boolean, choice, defineStorage, integer, type EntriesPlace, type StoredEntries } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { byteReader, byteWriter } from './bytes/byte-writer.js'
import { MOST_SYMBOL, readSymbols, writeSymbols } from './bytes/channel-symbols.js'

const NAME = 'cache-gen'
/** Of the form of the bytes. */
const VERSION = 1
/** The step of each level, in parts of the root mean square of what is coded. */
const STEPS = [1 / 2, 1 / 4, 1 / 8, 1 / 32]
/** How much coarser later thirds of the layers are. */
const THIRDS = [1, 1.25, 1.5]
/** Of an anchor: 8 bits. */
const LARGEST_ANCHOR = 127
/** What a file may claim before it is believed. */
const MOST = 2 ** 31

/** Steps between codes of anchors and of differences, or of all tokens where there are no differences. */
interface Steps {
  readonly anchors: number
  readonly others: number
}

const stepsOf = ({ values }: StoredEntries, { layer, of }: EntriesPlace, level: number, deltas: boolean): Steps => {
  const rootMeanSquare = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const wanted = rootMeanSquare * STEPS[level - 1] * THIRDS[Math.floor((3 * layer) / of)]
  const reach = largest / MOST_SYMBOL // a finer step would cut the largest
  const [anchors, others] = [Math.max(reach, deltas ? Math.min(wanted, largest / LARGEST_ANCHOR) : wanted), Math.max(2 * reach, wanted)]
  return { anchors: Math.fround(anchors) || 1, others: Math.fround(others) || 1 }
}

const rounded = (value: number, step: number): number => Math.max(-MOST_SYMBOL, Math.min(MOST_SYMBOL, Math.round(value / step)))

/** Where the number of a token and a channel, which is one of rows · size, stands among entries (rows, tokens, size). */
const placesOf =
  ([, entries, size]: StoredEntries['shape']) =>
  (token: number, channel: number): number =>
    (Math.floor(channel / size) * entries + token) * size + (channel % size)

interface Coded {
  /** Of the first token of each group, (groups, channels). */
  readonly anchors: Int32Array
  /** Of the others, (tokens − groups, channels). */
  readonly others: Int32Array
}

/** Codes of anchors, and of differences to what is read of them, so that both sides have the same. */
const codesOf = ({ values, shape }: StoredEntries, group: number, steps: Steps): Coded => {
  const [rows, entries, size] = shape
  const channels = rows * size
  const place = placesOf(shape)
  const anchors = new Int32Array(Math.ceil(entries / group) * channels)
  const others = new Int32Array(entries * channels - anchors.length)
  let at = 0
  for (let token = 0; token < entries; token++)
    for (let channel = 0; channel < channels; channel++) {
      const value = values[place(token, channel)]
      const anchor = Math.floor(token / group) * channels + channel
      if (token % group === 0) anchors[anchor] = rounded(value, steps.anchors)
      else others[at++] = rounded(value - anchors[anchor] * steps.anchors, steps.others)
    }
  return { anchors, others }
}

/** The numbers that codes stand for. */
const entriesOf = ({ anchors, others }: Coded, shape: StoredEntries['shape'], group: number, steps: Steps): StoredEntries => {
  const [rows, entries, size] = shape
  const channels = rows * size
  const place = placesOf(shape)
  const values = new Float32Array(entries * channels)
  let at = 0
  for (let token = 0; token < entries; token++)
    for (let channel = 0; channel < channels; channel++) {
      const anchor = anchors[Math.floor(token / group) * channels + channel] * steps.anchors
      values[place(token, channel)] = token % group === 0 ? anchor : anchor + others[at++] * steps.others
    }
  return { values, shape }
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
  const [rows, entries, size, group] = [0, 0, 0, 0].map(() => reader.whole(MOST))
  const steps = { anchors: reader.float(), others: reader.float() }
  const channels = rows * size
  const groups = Math.ceil(entries / group)
  if (!(channels * entries <= MOST) || group === 0)
    throw new CompressionError('BAD_FILE', `${NAME}: there are [${rows}, ${entries}, ${size}] entries.`, 'Save the session again.')
  const coded = { anchors: readSymbols(reader, groups, channels), others: readSymbols(reader, entries - groups, channels) }
  reader.end()
  return entriesOf(coded, [rows, entries, size], group, steps)
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
 * CacheGen: a saved cache as a stream. Of each group of tokens the first is an anchor on a grid of 8 bits or finer; the others are coded as differences to it,
 * coarser in later layers, and all by range coding with a distribution for each channel, or for several that are alike.
 * anchor = s_a · round(x / s_a), x̂ = anchor + s · round((x − anchor) / s), s = rms(x) · step(level) · (1, 1.25, 1.5 by third of the layers).
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
    'one step for a layer instead of one for each token; channels that are alike share a table where that costs less; range ANS in place of the arithmetic coder; the released code has no differences',
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
      const run = deltas ? group : 1
      const steps = stepsOf(entries, place, level, deltas)
      const { anchors, others } = codesOf(entries, run, steps)
      const channels = entries.shape[0] * entries.shape[2]
      const writer = byteWriter()
      for (const each of [VERSION, ...entries.shape, run]) writer.whole(each)
      writer.float(steps.anchors)
      writer.float(steps.others)
      writeSymbols(writer, { symbols: anchors, channels }, tables)
      writeSymbols(writer, { symbols: others, channels }, tables)
      return writer.finish()
    },
    decode,
  }),
})
