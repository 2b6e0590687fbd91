import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import type { ConvolutionGeometry } from '@tersor/core'
import { convolution } from './convolution.js'

const wave = (...shape: number[]): tf.Tensor =>
  tf.tidy(() => tf.reshape(tf.sin(tf.mul(tf.range(1, 1 + shape.reduce((a, b) => a * b, 1)), 1.3)), shape))

const on = async (backend: string, make: () => tf.Tensor): Promise<{ shape: number[]; values: Float32Array }> => {
  await tf.setBackend(backend)
  const result = tf.tidy(make)
  const values = await result.data<'float32'>()
  result.dispose()
  return { shape: result.shape, values }
}

describe('convolution', () => {
  it.each([
    [1, [1, 1, 1, 1], 6],
    [2, [1, 1, 1, 1], 6],
    [2, [1, 1, 1, 1], 7],
    [2, [0, 1, 0, 1], 5],
    [3, [0, 0, 0, 0], 8],
  ] as const)('unfolds to the same on the engine without convolutions: stride %i, padding %j, size %i', async (stride, padding, size) => {
    const geometry: ConvolutionGeometry = { kernel: [3, 3], strides: [stride, stride], padding }
    for (const normed of [true, false]) {
      const run = () => {
        const norm = { gain: wave(4), bias: wave(4), mean: wave(4), variance: tf.add(wave(4), 2), epsilon: 1e-5 }
        return convolution(wave(2, size, size, 3), wave(4, 3, 3, 3), geometry, normed ? norm : wave(4))
      }
      const [direct, unfolded] = [await on('cpu', run), await on('ort', run)]
      expect(unfolded.shape).toEqual(direct.shape)
      direct.values.forEach((value, i) => expect(Math.abs(value - unfolded.values[i])).toBeLessThan(1e-4))
    }
  })
  it('puts cells of its kernel apart alike on both engines', async () => {
    const geometry: ConvolutionGeometry = { kernel: [3, 3], strides: [1, 1], padding: [2, 1, 0, 2], dilations: [2, 1] }
    const run = () => convolution(wave(2, 7, 6, 3), wave(4, 3, 3, 3), geometry, wave(4))
    const [direct, unfolded] = [await on('cpu', run), await on('ort', run)]
    expect(direct.shape).toEqual([2, 6, 6, 4])
    expect(unfolded.shape).toEqual(direct.shape)
    direct.values.forEach((value, i) => expect(Math.abs(value - unfolded.values[i])).toBeLessThan(1e-4))
  })
})
