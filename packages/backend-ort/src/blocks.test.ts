import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { loadNative } from './binding.js'
import { isBlockableProduct } from './blocks.js'
import { createGraph } from './graph.js'
import { distance, outcome, tensor } from './compare.reference.js'

const SLOW = process.env.TERSOR_SLOW === '1'
const square = (size: number, transposeA: boolean) => ({ rows: size, inner: size, columns: size, transposeA, transposeB: false })

describe('a product as a blocked convolution', () => {
  beforeAll(async () => {
    await tf.setBackend('ort')
    expect(tf.getBackend()).toBe('ort')
  })

  it('pays for large products, and for smaller ones of a transposed left side, in whole blocks of 16 only', () => {
    expect(isBlockableProduct(square(2048, false), 16)).toBe(true)
    expect(isBlockableProduct(square(768, false), 16)).toBe(false)
    expect(isBlockableProduct(square(704, true), 16)).toBe(true)
    expect(isBlockableProduct(square(512, true), 16)).toBe(false)
    expect(isBlockableProduct(square(2048 + 8, false), 16)).toBe(false)
    expect(isBlockableProduct(square(2048, false), 8)).toBe(false)
  })

  it.each(
    [
      [905, 912, 928],
      [912, 928, 905],
      [624, 640, 656],
    ]
      .flatMap(sizes => [false, true].flatMap(left => [false, true].map(right => [...sizes, left, right] as const)))
      // by default one plain product, and the small ones, whose left side is transposed
      .filter(([rows, , , left, right]) => SLOW || (rows === 624 ? left : rows === 905 && !left && !right)),
  )('gives what thin plain products give: %d, %d, %d, transposed %p and %p', async (...given) => {
    const [rows, inner, columns, transposeA, transposeB] = given as unknown as [number, number, number, boolean, boolean]
    const a = tensor(transposeA ? [inner, rows] : [rows, inner], 1) as tf.Tensor2D
    const b = tensor(transposeB ? [columns, inner] : [inner, columns], 2) as tf.Tensor2D
    const whole = tf.matMul(a, b, transposeA, transposeB)
    for (const from of [0, 320, rows - 16]) {
      const part = transposeA ? tf.slice(a, [0, from], [inner, 16]) : tf.slice(a, [from, 0], [16, inner])
      const expected = tf.matMul(part, b, transposeA, transposeB)
      expect(distance(await tf.slice(whole, [from, 0], [16, columns]).data(), await expected.data())).toBeLessThan(2e-6)
    }
    tf.dispose([a, b, whole])
  })
})

describe('a filter gradient as a blocked convolution', () => {
  const gradient = (size: number, stride: number, dilation: number, pad: 'same' | 'valid') => () =>
    tf.conv2d(tensor([16, 7, 6, 3], 3) as tf.Tensor4D, tensor([size, 2, 3, 16], 4) as tf.Tensor4D, stride, pad, 'NHWC', dilation)
  it.each([
    [3, 1, 1, 'same'],
    [3, 2, 1, 'same'],
    [3, 2, 1, 'valid'],
    [3, 1, 2, 'same'],
    [4, 3, 1, 'valid'],
  ] as const)('agrees with tfjs-cpu for size %d, stride %d, dilation %d, padding %s', async (size, stride, dilation, pad) => {
    const run = () => {
      const dy = tensor(gradient(size, stride, dilation, pad)().shape, 5)
      const attributes = { strides: stride, pad, dilations: dilation, dataFormat: 'NHWC', filterShape: [size, 2, 3, 16] }
      return tf.engine().runKernel('Conv2DBackpropFilter', { x: tensor([16, 7, 6, 3], 3), dy }, attributes) as tf.Tensor
    }
    if (dilation === 1) expect(distance((await outcome('ort', run, 3)).data, (await outcome('cpu', run)).data)).toBeLessThan(2e-6)
    else {
      // tfjs-cpu has no dilated filter gradients: a dilated filter is a larger one with zeros between
      const wide = (await outcome('ort', run, 3)).data
      const spread = await outcome('cpu', () => {
        const dy = tensor(gradient(size, stride, dilation, pad)().shape, 5)
        const attributes = { strides: stride, pad, dilations: 1, dataFormat: 'NHWC', filterShape: [2 * size - 1, 3, 3, 16] }
        const large = tf.engine().runKernel('Conv2DBackpropFilter', { x: tensor([16, 7, 6, 3], 3), dy }, attributes) as tf.Tensor4D
        return tf.stridedSlice(large, [0, 0, 0, 0], [2 * size - 1, 3, 3, 16], [2, 2, 1, 1])
      })
      expect(distance(wide, spread.data)).toBeLessThan(2e-6)
    }
  })
})

it('writes a large output in place: the binding makes no copy of it', () => {
  const native = loadNative().native!
  const graph = createGraph()
  const length = 8 * 1024 * 1024
  const output = graph.output(graph.op('Neg', [graph.input('x', 'float32', [length])]), 'float32', [length])
  const session = native.open(graph.model(), { threads: 1, optimise: false })
  const result = new Float32Array(length)
  const run = () =>
    session.run(
      { x: native.tensor('float32', new Float32Array(length).fill(2), [length]) },
      { [output]: native.tensor('float32', result, [length]) },
    )
  const before = process.memoryUsage().arrayBuffers
  run()
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1.5 * result.byteLength) // the input, and no second array
  expect(result.at(-1)).toBe(-2)
  session.dispose()
})
