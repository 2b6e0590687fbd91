import { createRng } from '@tersor/core'
import { bytesOfLayout, packMessages, unpackMessages } from './message.js'
import type { Codec } from './define-codec.js'

const SHAPES: readonly (readonly number[])[] = [[1], [7], [8, 3], [33, 65]]

export const gradientOf = (length: number, seed = 1): Float32Array => {
  const rng = createRng(seed)
  return Float32Array.from({ length }, () => rng.normal())
}

export const roundTrip = async (
  codec: Codec,
  values: Float32Array,
  shape: readonly number[] = [values.length],
  seed = 5,
): Promise<Float32Array> => {
  const common = createRng(seed)
  const context = { step: 3, common, own: common.fork('worker 0') }
  const layout = codec.layout(shape)
  const bytes = packMessages([await codec.encode(values, shape, context)], [layout])
  const [size, told] = [bytes.byteLength, bytesOfLayout(layout)]
  const varies = Object.values(layout).some(part => part.varies)
  if (size > told || (!varies && size < told)) throw new Error(`The message takes ${size} bytes; its layout says ${told}.`)
  const into = new Float32Array(values.length).fill(NaN)
  codec.decode(unpackMessages(bytes, [layout])[0], shape, into, context)
  return into
}

const distance = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0)
const norm = (a: Float32Array): number => distance(a, new Float32Array(a.length))

/** The promises that every codec keeps; call it first in the codec's test. `bytes`: those of a message about n numbers, by the brief's formula; of the longest where parts vary. */
export const describeCodec = (codec: Codec, bytes: (n: number) => number): void => {
  describe(`${codec.name} as a codec`, () => {
    it.each(SHAPES.map(shape => ({ shape })))('sends the bytes that its formula says, of shape $shape', async ({ shape }) => {
      const n = shape.reduce((product, extent) => product * extent, 1)
      expect(bytesOfLayout(codec.layout(shape))).toBe(bytes(n))
      const values = gradientOf(n)
      const kept = values.slice()
      expect((await roundTrip(codec, values, shape)).every(Number.isFinite)).toBe(true)
      expect(values).toEqual(kept)
    })

    it('gives the same for the same random numbers, and zeros for zeros', async () => {
      const values = gradientOf(100)
      expect(await roundTrip(codec, values)).toEqual(await roundTrip(codec, values))
      expect((await roundTrip(codec, new Float32Array(50))).every(value => value === 0)).toBe(true)
    })

    it(`is ${codec.promises}`, async () => {
      const values = gradientOf(64, 9)
      const many = process.env.TERSOR_SLOW === '1' ? 1500 : 500
      const draws = codec.promises === 'unbiased' ? many : 50
      const mean = new Float64Array(64)
      const square = new Float64Array(64)
      let left = 0
      for (let draw = 0; draw < draws; draw++) {
        const made = await roundTrip(codec, values, [64], draw)
        made.forEach((value, i) => ((mean[i] += value / draws), (square[i] += value ** 2 / draws)))
        left += distance(made, values) / draws
      }
      if (codec.promises === 'exact') expect(left).toBe(0)
      if (codec.promises === 'contractive') expect(left).toBeLessThan(norm(values))
      if (codec.promises !== 'unbiased') return
      const beyond = mean.filter((value, i) => Math.abs(value - values[i]) > 5 * Math.sqrt((square[i] - value ** 2) / draws) + 1e-6)
      expect(beyond).toHaveLength(0)
    })

    it('adds without being decoded, where it says so', async () => {
      if (codec.reduce !== 'sum') return
      const [a, b] = [gradientOf(40, 1), gradientOf(40, 2)]
      const both = a.map((value, i) => value + b[i])
      const [one, other, sum] = [await roundTrip(codec, a), await roundTrip(codec, b), await roundTrip(codec, both)]
      sum.forEach((value, i) => expect(value).toBeCloseTo(one[i] + other[i], 5))
    })
  })
}
