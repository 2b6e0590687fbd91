import { createRng } from '@tersor/core'
import { describeCodec, gradientOf, roundTrip } from './codec-suite.fixture.js'
import { fedZip } from './fed-zip.js'
import { packMessages } from './message.js'

describeCodec(fedZip(), n => 4 * 2 + 1 + 4 + 3 + Math.ceil((2 * n) / 8))

const context = { step: 0, common: createRng(1), own: createRng(2) }
const bytesFor = async (codec: ReturnType<typeof fedZip>, values: Float32Array): Promise<number> =>
  packMessages([await codec.encode(values, [values.length], context)], [codec.layout([values.length])]).byteLength

it('takes 12 bits for 10 numbers of which 8 are left out, behind centres, kind, length and lengths of codes', async () => {
  const values = Float32Array.of(0.1, 3, 0.2, 0, -0.1, 0, -2, 0, 0.1, 0)
  expect(await bytesFor(fedZip(), values)).toBe(8 + 1 + 4 + 3 + 2)
  expect([...(await roundTrip(fedZip(), values))]).toEqual([0, 3, 0, 0, 0, 0, -2, 0, 0, 0])
})

it('puts means of clusters in their places: 1, 2 and 3 are 2, and -4 itself', async () => {
  const values = Float32Array.of(1, 2, 3, -4, 0, 0, 0, 0)
  expect([...(await roundTrip(fedZip({ density: 0.5 }), values))]).toEqual([2, 2, 2, -4, 0, 0, 0, 0])
})

it('writes gaps where few are kept: 10 of 10,000 in less than a twentieth of a bit a number', async () => {
  const codec = fedZip({ density: 0.001 })
  const values = gradientOf(10_000, 3)
  expect(await bytesFor(codec, values)).toBeLessThan(60)
  const largest = [...values].map(Math.abs).sort((a, b) => b - a)[9]
  const made = await roundTrip(codec, values)
  expect(made.filter((value, i) => value !== 0 !== Math.abs(values[i]) >= largest)).toHaveLength(0) // prettier-ignore
})

it('gives back numbers of one value, one number, and more clusters than numbers', async () => {
  expect([...(await roundTrip(fedZip({ density: 1 }), new Float32Array(9).fill(-2)))]).toEqual(Array.from({ length: 9 }, () => -2))
  expect([...(await roundTrip(fedZip({ clusters: 8, density: 1 }), Float32Array.of(7, 1)))]).toEqual([7, 1])
})

it('refuses what leaves nothing, and a message that does not fit', () => {
  expect(() => fedZip({ density: 0 })).toThrow('fed-zip: a density of 0 leaves nothing.\nPass a part above 0')
  expect(() => fedZip({ clusters: 1 })).toThrow('fed-zip codec got clusters = 1.\nPass an integer from 2 to 24')
  const codec = fedZip({ density: 0.001 })
  const message = codec.encode(gradientOf(10_000, 3), [10_000], context) as never
  expect(() => codec.decode(message, [5], new Float32Array(5), context)).toThrow('A message of fed-zip does not fit a tensor of 5 numbers.\nGive all') // prettier-ignore
})
