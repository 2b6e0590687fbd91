import { encodeBlocks } from '@tersor/kernels/blocks'
import { fromFloat32, toFloat32 } from '@tersor/tensor'
import { failure } from '../files/failing-file-system.fixture.js'
import { encodeRows, largestOf } from './encode-rows.js'

const SHAPE = [23, 256] as const
/** Five rows and a part of one: the last slab has three. */
const AT_ONCE = 1300
const SIZE = SHAPE[0] * SHAPE[1]
const values = Float32Array.from({ length: SIZE }, (_, i) => Math.sin(i * i))

it('encodes slabs of rows to the bytes of the whole, from any dtype, with importance by column', async () => {
  const importance = Float32Array.from({ length: SHAPE[1] }, (_, column) => 1 + (column % 7))
  for (const dtype of ['f32', 'bf16', 'f16'] as const) {
    const matrix = fromFloat32(values, dtype, SHAPE)
    const floats = toFloat32(matrix)
    const largest = await largestOf('w', matrix, SHAPE, AT_ONCE)
    expect(largest).toBe(floats.reduce((most, value) => Math.max(most, Math.abs(value)), 0))
    const same = async (weights: Float32Array | undefined): Promise<boolean> => {
      const slabs = await encodeRows('q4_k', matrix, SHAPE, SHAPE[1], largest, weights, AT_ONCE)
      return Buffer.compare(slabs, encodeBlocks('q4_k', floats, weights ? { importance: weights } : {})) === 0
    }
    expect(await same(undefined)).toBe(true)
    expect(await same(importance)).toBe(true)
  }
})

it('says by name and place what is no number, also behind the first slab', async () => {
  const broken = values.slice()
  broken[SIZE - 2] = NaN
  for (const dtype of ['f32', 'bf16'] as const)
    expect(await failure(() => largestOf('w', fromFloat32(broken, dtype, SHAPE), SHAPE, AT_ONCE))).toContain(
      'NOT_FINITE: "w" holds NaN at [22, 254].',
    )
})
