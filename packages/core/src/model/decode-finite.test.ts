import type * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { fromFloat32, type DType } from '@tersor/tensor'
import { affineOf } from '../codecs/affine.js'
import { decodeFinite, decodeOnThreads, requireFiniteWeights } from './decode-finite.js'
import { decode } from './decode.js'

useEngine()

/** Few stay on one thread, many go to all. */
const SHAPES = [
  [3, 4],
  [2 ** 10, 2 ** 10 + 3],
] as const

const WAVES = Float32Array.from({ length: SHAPES[1][0] * SHAPES[1][1] }, (_, i) => Math.sin(i))

const weight = (dtype: DType, shape: readonly number[], broken?: number) => {
  const values = WAVES.slice(0, shape[0] * shape[1])
  if (broken !== undefined) values[values.length - 2] = broken
  return fromFloat32(values, dtype, shape)
}

/** Matchers walk a million numbers one by one. */
const bytesOf = async (tensor: tf.Tensor): Promise<Buffer> => {
  const { buffer, byteOffset, byteLength } = await tensor.data<'float32'>()
  return Buffer.from(buffer, byteOffset, byteLength)
}

describe.each(SHAPES)('%d × %d', (...shape) => {
  const isTried = (dtype: DType): boolean => shape[0] === 3 || dtype !== 'f16' // halves stay on one thread, however many

  it.each((['f32', 'bf16', 'f16'] as const).filter(isTried))('decodes %s as the plain way does', async dtype => {
    const parameter = weight(dtype, shape)
    const expected = await bytesOf(decode(parameter))
    for (const tensor of [await decodeOnThreads(parameter), await decodeFinite('w', parameter)]) {
      expect(tensor.shape).toEqual(shape)
      expect((await bytesOf(tensor)).equals(expected)).toBe(true)
    }
    await requireFiniteWeights('w', parameter)
  })

  it.each(
    (
      [
        ['f32', NaN],
        ['bf16', Infinity],
        ['bf16', NaN],
        ['f16', -Infinity],
      ] as const
    ).filter(([dtype]) => isTried(dtype)),
  )('refuses %s with %d, and says where', async (dtype, broken) => {
    const parameter = weight(dtype, shape, broken)
    const expected = {
      code: 'NOT_FINITE',
      message: expect.stringContaining(`Weight ${shape[0] * shape[1] - 2} of "w" is NaN or infinite.`),
    }
    await expect(decodeFinite('w', parameter)).rejects.toMatchObject(expected)
    await expect(requireFiniteWeights('w', parameter)).rejects.toMatchObject(expected)
  })
})

it('decodes trees by their codec', async () => {
  const tree = affineOf({ shape: [1, 4], bits: 4, group: 4, codes: [8, 9, 10, 7], scales: [0.5] })
  expect([...(await (await decodeFinite('w', tree)).data())]).toEqual([0, 0.5, 1, -0.5])
})
