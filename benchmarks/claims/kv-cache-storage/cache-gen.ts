/** Claims about saved caches as streams. */
import { cacheGen } from '@tersor/kv-cache'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { BUNDLED, ROOT } from '../bundled-model.js'
import type { Claim, Figure, Side } from '../training/claim.js'
import { bundledTexts, partsAfter, type LayerPart } from './sessions.js'

const WINDOWS = 8
const KILOBYTES: Figure = { better: 'lower', digits: 1, tie: 0 }
const ERROR: Figure = { better: 'lower', digits: 4, tie: 0 }

let caches: Promise<readonly (readonly LayerPart[])[]> | undefined
/** Caches of whole windows of 256 tokens. */
const windows = () =>
  (caches ??= (async () => {
    const { model, validation } = await bundledTexts()
    const whole = validation.filter(({ length }) => length === model.contextLength).slice(0, WINDOWS)
    const parts: (readonly LayerPart[])[] = []
    for (const ids of whole) parts.push(await partsAfter(model, [...ids]))
    return parts
  })())

interface Total {
  bytes: number
  squared: number
  energy: number
}

const addError = (total: Total, read: Float32Array, given: Float32Array): void =>
  given.forEach((value, i) => {
    total.squared += (value - read[i]) ** 2
    total.energy += value ** 2
  })

/** Kilobytes of a window, and the error against the floats. */
const figuresOf = ({ bytes, squared, energy }: Total) => ({ kilobytes: bytes / 1000 / WINDOWS, error: Math.sqrt(squared / energy) })

type Options = Parameters<typeof cacheGen>[0]
const streamed = async (options: Options) => {
  const [storage, total] = [cacheGen(options), { bytes: 0, squared: 0, energy: 0 }]
  for (const { entries, place } of (await windows()).flat()) {
    const bytes = storage.encode(entries, place)
    total.bytes += bytes.length
    addError(total, storage.decode(bytes).values, entries.values)
  }
  return figuresOf(total)
}

/** Codes of 8 bits with a scale for each channel, `coarser` times as large as 127 codes need; zipped, or as they are. */
const eightBits = async (coarser: number, zip: boolean) => {
  const total = { bytes: 0, squared: 0, energy: 0 }
  for (const { entries } of (await windows()).flat()) {
    const { values, shape } = entries
    const [rows, count, size] = shape
    const scales = new Float32Array(rows * size)
    const channelOf = (at: number): number => Math.floor(at / (count * size)) * size + (at % size)
    values.forEach((value, at) => (scales[channelOf(at)] = Math.max(scales[channelOf(at)], Math.abs(value))))
    const steps = scales.map(most => (most / 127) * coarser || 1)
    const codes = Int8Array.from(values, (value, at) => Math.round(value / steps[channelOf(at)]))
    // channel by channel: zip finds more where neighbours are of one spread
    const byChannel = new Uint8Array(codes.length)
    codes.forEach((code, at) => (byChannel[channelOf(at) * count + (Math.floor(at / size) % count)] = code))
    total.bytes += (zip ? deflateSync(byChannel, { level: 9 }).length : byChannel.length) + 4 * steps.length
    addError(
      total,
      Float32Array.from(codes, (code, at) => code * steps[channelOf(at)]),
      values,
    )
  }
  return figuresOf(total)
}

/** The same with scales so coarse that the error is the one wanted. */
const eightBitsAt = async (wanted: number) => {
  let [fine, coarse] = [0.25, 64]
  for (let round = 0; round < 10; round++) {
    const middle = Math.sqrt(fine * coarse)
    if ((await eightBits(middle, false)).error < wanted) fine = middle
    else coarse = middle
  }
  return eightBits(fine, true)
}

const side = (name: string, measure: Side['measure']): Side => ({ name, fixed: true, measure })

const LEVELS = [2, 3, 4]

const sizes: Claim = {
  name: 'cache-gen/bytes',
  says: `caches of ${WINDOWS} windows of 256 tokens of the bundled model: CacheGen below 8 bits and zip at the same error, whose scales are as coarse as that takes; at each level`,
  figures: { kilobytes: KILOBYTES, error: ERROR },
  sides: () => [
    side('floats', async () => ({ kilobytes: (await windows()).flat().reduce((sum, { entries }) => sum + 4 * entries.values.length, 0) / 1000 / WINDOWS, error: 0 })), // prettier-ignore
    side('8 bits', () => eightBits(1, false)),
    side('8 bits and zip', () => eightBits(1, true)),
    ...LEVELS.flatMap(level => [
      side(`level ${level}`, () => streamed({ level })),
      side(`zip as level ${level}`, async () => eightBitsAt((await streamed({ level })).error)),
    ]),
  ],
  failing:
    'at level 4, which is as fine as 8 bits, tables of wide alphabets take what the distributions gain, 0.4 %; tables of anchors and differences together were tried, 224.7 to 223.0',
  orders: LEVELS.map(level => ({ figure: 'kilobytes', first: `level ${level}`, than: `zip as level ${level}` })),
}

/** All symbols of a part in as many bits as their range takes. */
const fixedBits = async (level: number) => {
  const { error } = await streamed({ level, deltas: false })
  let bits = 0
  for (const { entries, place } of (await windows()).flat()) {
    const { values } = cacheGen().decode(cacheGen({ level, deltas: false }).encode(entries, place))
    bits += Math.ceil(Math.log2(new Set(values).size)) * values.length
  }
  return { kilobytes: bits / 8 / 1000 / WINDOWS, error }
}

const parts: Claim = {
  name: 'cache-gen/parts',
  says: 'level 3 of the same caches: differences with tables for channels below tables for channels alone, below one table for a layer, below fixed bits',
  figures: { kilobytes: KILOBYTES, error: ERROR },
  sides: () => [
    side('differences, tables as cost least', () => streamed({ level: 3 })),
    side('differences, a table for each channel', () => streamed({ level: 3, tables: 'channel' })),
    side('tables as cost least', () => streamed({ level: 3, deltas: false })),
    side('a table for each layer', () => streamed({ level: 3, deltas: false, tables: 'layer' })),
    side('fixed bits', () => fixedBits(3)),
  ],
  orders: [
    { figure: 'kilobytes', first: 'differences, tables as cost least', than: 'tables as cost least' },
    { figure: 'kilobytes', first: 'tables as cost least', than: 'a table for each layer' },
    { figure: 'kilobytes', first: 'a table for each layer', than: 'fixed bits' },
  ],
}

const PROMPTS = [
  'The old man looked at the sea and thought of the years',
  'In the beginning of the winter the house was',
  'She opened the letter and read it twice before she',
]
const NEW = 32

/** What `tersor generate` says, in a process of its own. */
const inProcess = (...args: readonly string[]): string => {
  const tersor = join(ROOT, 'packages/tersor/src/index.ts')
  const run = `import(${JSON.stringify(tersor)}).then(({ main }) => main(process.argv.slice(1))).then(code => process.exit(code))`
  const options = ['--import', 'tsx', '--conditions=@tersor/source', '--input-type=module', '-e', run, '--']
  const { status, stdout, stderr } = spawnSync(process.execPath, [...options, ...args, '--json', '--quiet'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(stderr)
  return (JSON.parse(stdout) as { text: string }).text
}

/** Texts that sessions go on with, of one process each that saves them and one that loads them. */
const sessionsBy = async (call: string | undefined) => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-continued-'))
  const storage = call === undefined ? [] : ['--session-storage', call]
  const model = join(BUNDLED, 'model')
  try {
    const said: string[] = []
    let bytes = 0
    for (const [i, prompt] of PROMPTS.entries()) {
      const file = join(folder, String(i))
      inProcess('generate', model, '--prompt', prompt, '--tokens', '1', '--save-session', file, ...storage)
      said.push(inProcess('generate', model, '--prompt', ' and then', '--tokens', String(NEW), '--load-session', file, ...storage))
      bytes += (await stat(file)).size
    }
    return { said, kilobytes: bytes / 1000 / PROMPTS.length }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

let full: ReturnType<typeof sessionsBy> | undefined
const inFull = () => (full ??= sessionsBy(undefined))

const continued = async (call: string | undefined) => {
  const { said, kilobytes } = call === undefined ? await inFull() : await sessionsBy(call)
  const wanted = (await inFull()).said
  return { 'same texts': said.filter((text, i) => text === wanted[i]).length, kilobytes }
}

const continuation: Claim = {
  name: 'cache-gen/continuation',
  says: `${PROMPTS.length} sessions of the bundled model, saved by one process: another one goes on with the same ${NEW} tokens as from the session in full`,
  figures: { 'same texts': { better: 'higher', digits: 0, tie: 0 }, kilobytes: KILOBYTES },
  sides: () => [
    side('in full', () => continued(undefined)),
    ...[4, 3, 2].map(level => side(`level ${level}`, () => continued(`cache-gen(level=${level})`))),
  ],
  orders: [4, 3].map(level => ({ figure: 'same texts', first: `level ${level}`, than: PROMPTS.length })),
}

export const CACHE_GEN: readonly Claim[] = [sizes, parts, continuation]
