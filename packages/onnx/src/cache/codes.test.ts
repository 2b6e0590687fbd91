import { channelScales, decodeChannels, encodeChannels, recoded, widerScales } from './codes.js'

const ONE = { heads: 1, size: 2 }

it('takes scales that reach farther than what is there, by hand', () => {
  // channels (8.47, −2) and (0, 1): 1.5 · 8.47 / 127 = 0.1000, 1.5 · 2 / 127; with four bits 1.25 · 8.47 / 7
  const values = Float32Array.of(8.47, 1, -2, -1)
  expect([...channelScales(values, ONE, 8)].map(scale => Number(scale.toFixed(4)))).toEqual([0.1, 0.0118])
  expect([...channelScales(values, ONE, 4)].map(scale => Number(scale.toFixed(4)))).toEqual([1.5125, 0.1786])
  expect([...channelScales(new Float32Array(4), ONE, 8)]).toEqual([1, 1])
})

it('rounds halves to even, and packs the earlier of two codes below', () => {
  const scales = Float32Array.of(1, 2)
  const values = Float32Array.of(2.5, 3, -3.5, -20)
  expect([...encodeChannels(values, scales, ONE, 8)]).toEqual([2, 2, -4, -10])
  expect([...encodeChannels(values, scales, ONE, 4)]).toEqual([(2 + 8) | ((2 + 8) << 4), (-4 + 8) | ((-8 + 8) << 4)]) // the last is cut
  expect([...decodeChannels(encodeChannels(values, scales, ONE, 4), scales, ONE, 4)]).toEqual([2, 4, -4, -16])
})

it.each([8, 4] as const)('widens channels whose last entries stand at the largest code, and no others: %d bits', bits => {
  const most = bits === 8 ? 127 : 7
  const two = { heads: 2, size: 2 }
  // two heads of two entries: the first entry of head 0 stands there too, but is not among the last
  const codes = encodeChannels(Float32Array.of(most, 0, 0, -most, 0, 0, 1, 0), Float32Array.of(1, 1, 1, 1), two, bits)
  expect([...widerScales(codes, Float32Array.of(1, 1, 1, 1), two, { bits, tokens: 1 })!]).toEqual([1, 1.5, 1, 1])
  expect([...widerScales(codes, Float32Array.of(1, 1, 1, 1), two, { bits, tokens: 2 })!]).toEqual([1.5, 1.5, 1, 1])
  const inside = encodeChannels(new Float32Array(8).fill(1), Float32Array.of(1, 1, 1, 1), two, bits)
  expect(widerScales(inside, Float32Array.of(1, 1, 1, 1), two, { bits, tokens: 2 })).toBeUndefined()
})

it.each([8, 4] as const)('codes channels again whose scale grew, as if decoded and encoded, and leaves all others: %d bits', bits => {
  const two = { heads: 2, size: 4 }
  const values = Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => ((7 * i) % 13) - 6)
  const before = new Float32Array(8).fill(1)
  const now = Float32Array.of(1, 1.5, 1, 1, 1, 1, 2.25, 1.5)
  const codes = encodeChannels(values, before, two, bits)
  expect(recoded(codes, { before, now }, two, bits)).toEqual(encodeChannels(decodeChannels(codes, before, two, bits), now, two, bits))
  expect(recoded(codes, { before, now: before }, two, bits)).toEqual(codes)
})
