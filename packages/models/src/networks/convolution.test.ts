import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { batchMoments, type ConvolutionGeometry } from '@tersor/core'
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
        const norm = { gain: wave(4), bias: wave(4), moments: { mean: wave(4), variance: tf.add(wave(4), 2) }, epsilon: 1e-5 }
        return convolution(wave(2, size, size, 3), wave(4, 3, 3, 3), geometry, normed ? norm : wave(4))
      }
      const [direct, unfolded] = [await on('cpu', run), await on('ort', run)]
      expect(unfolded.shape).toEqual(direct.shape)
      direct.values.forEach((value, i) => expect(Math.abs(value - unfolded.values[i])).toBeLessThan(1e-4))
    }
  })

  it.each(['cpu', 'ort'])('normalises by what is measured behind the product: %s', async backend => {
    const geometry: ConvolutionGeometry = { kernel: [3, 3], strides: [1, 1], padding: [1, 1, 1, 1] }
    const shown: tf.Tensor[] = []
    const moments = (y: tf.Tensor) => (shown.push(tf.keep(tf.clone(y))), batchMoments(y))
    const { values } = await on(backend, () => {
      const norm = { gain: tf.tensor1d([1, 2, 3, 4]), bias: tf.tensor1d([0, 5, 0, -5]), moments, epsilon: 0 }
      return convolution(wave(2, 6, 6, 3), wave(4, 3, 3, 3), geometry, norm)
    })
    const product = await on(backend, () => convolution(wave(2, 6, 6, 3), wave(4, 3, 3, 3), geometry, tf.zeros([4])))
    expect([...(await shown[0].data())]).toEqual([...product.values])
    for (const [channel, gain, bias] of [
      [0, 1, 0],
      [1, 2, 5],
      [2, 3, 0],
      [3, 4, -5],
    ]) {
      const of = (all: Float32Array) => all.filter((_, i) => i % 4 === channel)
      const mean = of(product.values).reduce((a, b) => a + b) / 72
      const deviation = Math.sqrt(of(product.values).reduce((sum, value) => sum + (value - mean) ** 2, 0) / 72)
      const expected = of(product.values).map(value => ((value - mean) / deviation) * gain + bias)
      of(values).forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-4))
    }
    tf.dispose(shown)
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
