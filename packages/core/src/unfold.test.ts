import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { Site } from './model.js'
import { everyNth, rowsOf } from './unfold.js'

const pixel = (b: number, y: number, x: number, c: number, height: number, width: number, channels: number): number =>
  y < 0 || x < 0 || y >= height || x >= width ? 0 : ((b * height + y) * width + x) * channels + c + 1

describe('rowsOf', () => {
  it('folds everything before the last axis into rows', async () => {
    const site: Site = { name: 'a', weight: 'a.weight', kind: 'linear', outAxis: 0, inAxis: 1 }
    const rows = tf.tidy(() => rowsOf(site, tf.zeros([2, 3, 5])))
    expect(rows.shape).toEqual([6, 5])
    rows.dispose()
  })

  it.each([
    [
      [3, 3],
      [1, 1],
      [1, 1, 1, 1],
      [4, 5],
    ],
    [
      [3, 3],
      [2, 2],
      [1, 1, 1, 1],
      [6, 5],
    ],
    [
      [1, 1],
      [2, 2],
      [0, 0, 0, 0],
      [5, 4],
    ],
    [
      [2, 3],
      [1, 2],
      [0, 1, 2, 0],
      [4, 4],
    ],
    [
      [3, 2],
      [3, 1],
      [0, 0, 0, 0],
      [7, 3],
    ],
  ] as const)('gives the patches of a kernel %j with strides %j, padding %j over %j', async (kernel, strides, padding, [height, width]) => {
    const site: Site = { name: 'a', weight: 'a.weight', kind: 'conv2d', outAxis: 0, inAxis: 1, convolution: { kernel, strides, padding } }
    const [batch, channels] = [2, 3]
    const images = tf.tidy(() => tf.reshape(tf.range(1, 1 + batch * height * width * channels), [batch, height, width, channels]))
    const rows = tf.tidy(() => rowsOf(site, images))
    const outHeight = Math.floor((height + padding[0] + padding[1] - kernel[0]) / strides[0]) + 1
    const outWidth = Math.floor((width + padding[2] + padding[3] - kernel[1]) / strides[1]) + 1
    const expected: number[] = []
    for (let b = 0; b < batch; b++)
      for (let oy = 0; oy < outHeight; oy++)
        for (let ox = 0; ox < outWidth; ox++)
          for (let c = 0; c < channels; c++)
            for (let ky = 0; ky < kernel[0]; ky++)
              for (let kx = 0; kx < kernel[1]; kx++)
                expected.push(pixel(b, oy * strides[0] + ky - padding[0], ox * strides[1] + kx - padding[2], c, height, width, channels))
    expect(rows.shape).toEqual([batch * outHeight * outWidth, channels * kernel[0] * kernel[1]])
    expect([...(await rows.data())]).toEqual(expected)
    tf.dispose([images, rows])
    expect(tf.memory().numTensors).toBe(0)
  })
})

describe('everyNth', () => {
  it('picks the first of every so many pixels', async () => {
    const picked = tf.tidy(() => everyNth(tf.reshape(tf.range(0, 15), [1, 3, 5, 1]), [2, 2]))
    expect([picked.shape, [...(await picked.data())]]).toEqual([
      [1, 2, 3, 1],
      [0, 2, 4, 10, 12, 14],
    ])
    picked.dispose()
  })
})
