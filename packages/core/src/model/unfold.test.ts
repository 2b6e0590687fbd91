import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { ConvolutionGeometry, Site } from './model.js'
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
    { kernel: [3, 3], strides: [1, 1], padding: [1, 1, 1, 1], size: [4, 5] },
    { kernel: [3, 3], strides: [2, 2], padding: [1, 1, 1, 1], size: [6, 5] },
    { kernel: [1, 1], strides: [2, 2], padding: [0, 0, 0, 0], size: [5, 4] },
    { kernel: [2, 3], strides: [1, 2], padding: [0, 1, 2, 0], size: [4, 4] },
    { kernel: [3, 2], strides: [3, 1], padding: [0, 0, 0, 0], size: [7, 3] },
    { kernel: [3, 3], strides: [1, 1], padding: [2, 2, 2, 2], dilations: [2, 2], size: [5, 6] },
    { kernel: [2, 3], strides: [2, 1], padding: [0, 1, 3, 0], dilations: [3, 2], size: [7, 5] },
    { kernel: [1, 3], strides: [1, 2], padding: [0, 0, 4, 0], dilations: [1, 4], size: [1, 9] }, // a line, seen from behind
  ] as const)('gives the patches of a kernel: %j', async ({ size: [height, width], ...walk }) => {
    const convolution: ConvolutionGeometry = walk
    const { kernel, strides, padding, dilations = [1, 1] } = convolution
    const site: Site = { name: 'a', weight: 'a.weight', kind: 'conv2d', outAxis: 0, inAxis: 1, convolution }
    const [batch, channels] = [2, 3]
    const images = tf.tidy(() => tf.reshape(tf.range(1, 1 + batch * height * width * channels), [batch, height, width, channels]))
    const rows = tf.tidy(() => rowsOf(site, images))
    const [outHeight, outWidth] = [height + padding[0] + padding[1], width + padding[2] + padding[3]].map(
      (whole, axis) => Math.floor((whole - (dilations[axis] * (kernel[axis] - 1) + 1)) / strides[axis]) + 1,
    )
    const expected: number[] = []
    for (let b = 0; b < batch; b++)
      for (let oy = 0; oy < outHeight; oy++)
        for (let ox = 0; ox < outWidth; ox++)
          for (let c = 0; c < channels; c++)
            for (let ky = 0; ky < kernel[0]; ky++)
              for (let kx = 0; kx < kernel[1]; kx++) {
                const [y, x] = [oy * strides[0] + ky * dilations[0] - padding[0], ox * strides[1] + kx * dilations[1] - padding[2]]
                expected.push(pixel(b, y, x, c, height, width, channels))
              }
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
