import { describeStorage } from '@tersor/testing'
import { cacheGen, levelFor } from './cache-gen.js'

describeStorage(() => cacheGen({ level: 4 }), { error: 1 / 64 })

type Shape = readonly [number, number, number]

/** Numbers that look drawn, near a normal distribution. */
const normals = (seed: number) => {
  let state = seed
  const next = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32
  return (): number => next() + next() + next() + next() + next() + next() - 3
}
/** Channels of their own spread, tokens that move slowly. */
const entries = (shape: Shape, seed = 1) => {
  const [rows, tokens, size] = shape
  const normal = normals(seed)
  const values = new Float32Array(rows * tokens * size)
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < size; i++) {
      const spread = 2 ** (((7 * i + row) % 6) - 3)
      let now = normal()
      for (let token = 0; token < tokens; token++) {
        now = 0.95 * now + 0.2 * normal()
        values[(row * tokens + token) * size + i] = spread * now
      }
    }
  return { values, shape }
}
const PLACE = { layer: 0, of: 4, part: 'keys' } as const
const rms = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
const errorOf = (a: Float32Array, b: Float32Array): number => rms(a.map((value, i) => value - b[i]))

it.each<Shape>([
  [1, 1, 1],
  [2, 1, 8],
  [1, 9, 2],
  [2, 10, 4],
  [2, 11, 4],
  [3, 61, 5],
])('gives entries [%d, %d, %d] again, within half a step', (...shape) => {
  // prettier-ignore
  for (const level of [1, 2, 3, 4])
    for (const deltas of [true, false]) {
      const given = entries(shape)
      const read = cacheGen().decode(cacheGen({ level, deltas }).encode(given, PLACE))
      expect(read.shape).toEqual(shape)
      const step = Math.max(rms(given.values) * [1 / 2, 1 / 4, 1 / 8, 1 / 32][level - 1], given.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 255) // prettier-ignore
      expect(read.values.every((value, i) => Math.abs(value - given.values[i]) <= step / 2 + 1e-6)).toBe(true)
    }
})

it('rounds as worked by hand', () => {
  // rms of 3, 3.2, 2.8, 2.6 is 2.9086, its 8th part 0.36358; the anchor 3 / 0.36358 = 8.25 → 8 · 0.36358 = 2.9086
  // of the anchor 8.6 / (3 · 2.9086) = 0.986 → 16/16 are taken away: 0.2914 → 1, −0.1086 → 0, −0.3086 → −1
  const read = cacheGen().decode(cacheGen({ level: 3 }).encode({ values: Float32Array.of(3, 3.2, 2.8, 2.6), shape: [1, 4, 1] }, PLACE))
  expect(Array.from(read.values, value => Number(value.toFixed(3)))).toEqual([2.909, 3.272, 2.909, 2.545])
})

it('is coarser in later layers and at lower levels, and smaller for it', () => {
  const given = entries([2, 200, 16])
  const sizes = [1, 2, 3, 4].map(level => cacheGen({ level }).encode(given, PLACE).length)
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b))
  const late = cacheGen({ level: 3 }).encode(given, { ...PLACE, layer: 3 })
  expect(late.length).toBeLessThan(sizes[2])
  expect(sizes[3]).toBeLessThan(given.values.length) // below 8 bits
})

it('costs less where channels have tables of their own, and differences where neighbours are alike', () => {
  const given = entries([2, 600, 16])
  const bytes = (options: Parameters<typeof cacheGen>[0]): number => cacheGen({ level: 3, ...options }).encode(given, PLACE).length
  expect(bytes({ tables: 'channel' })).toBeLessThan(bytes({ tables: 'layer' }))
  expect(bytes({})).toBeLessThanOrEqual(bytes({ tables: 'channel' }) * 1.01)
  expect(bytes({})).toBeLessThan(bytes({ deltas: false }))
  const short = entries([2, 20, 16])
  const [auto, own] = [cacheGen().encode(short, PLACE), cacheGen({ tables: 'channel' }).encode(short, PLACE)]
  expect(auto.length).toBeLessThan(own.length) // tables of channels dominate a short text
})

it('takes texts that do not change, and zeros, for nearly nothing', () => {
  const same = new Float32Array(8000).map((_, at) => Math.sin(at % 8))
  const bytes = cacheGen().encode({ values: same, shape: [1, 1000, 8] }, PLACE)
  expect(bytes.length).toBeLessThan(1000)
  expect(errorOf(cacheGen().decode(bytes).values, same)).toBeLessThan(0.02)
  const zeros = { values: new Float32Array(640), shape: [1, 80, 8] as const }
  expect(cacheGen().decode(cacheGen().encode(zeros, PLACE))).toEqual(zeros)
})

it('refuses bytes that were cut or changed anywhere', () => {
  const bytes = cacheGen().encode(entries([1, 11, 2]), PLACE)
  for (let at = 0; at < bytes.length; at++) {
    expect(() => cacheGen().decode(bytes.subarray(0, at))).toThrow('cache-gen: ')
    const changed = bytes.slice()
    changed[at] ^= 1 << (at % 8)
    expect(() => cacheGen().decode(changed)).toThrow(`${bytes.length} bytes are not those that were written.\nSave the session again`)
  }
  expect(() => cacheGen({ level: 5 })).toThrow('level')
})

it('chooses the finest level that arrives in time', () => {
  const sizes = new Map([[1, 1000], [2, 2000], [3, 4000]]) // prettier-ignore
  expect(levelFor(sizes, { bitsPerSecond: 16_000, seconds: 1 })).toBe(2)
  expect(levelFor(sizes, { bitsPerSecond: 16_000, seconds: 2 })).toBe(3)
  expect(levelFor(sizes, { bitsPerSecond: 16_000, seconds: 0.4 })).toBeUndefined()
})
