/** The product of every site goes through one door, whatever the network. */
import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel, sitesOf, type Model, type Product } from '@tersor/core'
import '@tensorflow/tfjs-backend-cpu'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { largestGap, someIds } from './outputs.fixture.js'
import { pixels } from './tiny-resnet.fixture.js'

beforeAll(() => tf.setBackend('cpu'))

const inputOf = (model: Model): tf.Tensor => ((model as { readonly family?: string }).family === 'image' ? pixels(2) : someIds())

/** Outputs with somebody in the place of the products. */
const outputsBy = async (model: Model, make?: (weights: (name: string) => tf.Tensor) => Product): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const x = inputOf(model)
  const y = forward(model, x, { weights, ...(make ? { product: make(weights) } : {}) })
  const values = (await y.data()) as Float32Array
  tf.dispose([x, y])
  dispose()
  return values.slice()
}

describe.each(Object.keys(FRESH_CONFIGS))('%s', name => {
  const model = freshModel(FRESH_CONFIGS[name], { seed: 3, deviation: 0.2 })
  const multiplied = sitesOf(model).filter(({ kind }) => kind !== 'embedding')

  it('asks once at each site, and gives the same to one who computes what the stage would', async () => {
    const before = tf.memory().numTensors
    const asked: string[] = []
    const plain = await outputsBy(model)
    const own = await outputsBy(model, weights => ({ site, input, weight, times }) => {
      asked.push(site.name)
      expect(weight()).toBe(weights(site.weight))
      return times(input, weight())
    })
    expect(asked.sort()).toEqual(multiplied.map(site => site.name).sort())
    expect(largestGap(own, plain)).toBeLessThan(1e-4)
    expect(largestGap(await outputsBy(model, () => () => undefined), plain)).toBeLessThan(1e-5)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('says what stands behind a product', async () => {
    const after = new Map<string, number>()
    await outputsBy(model, () => ({ site, input, weight, times, after: behind }) => {
      const { scale, shift } = behind()
      const y = times(input, weight())
      for (const each of [scale, shift]) if (each) expect(each.shape).toEqual([y.shape.at(-1)])
      after.set(site.name, (scale ? 1 : 0) + (shift ? 2 : 0))
      return y
    })
    const isNormed = ({ kind }: { readonly kind: string }): boolean => kind === 'conv2d' && name.startsWith('resnet')
    const has = (bias: string): number => (model.params.names().includes(bias) ? 2 : 0)
    for (const site of multiplied) expect(after.get(site.name)).toBe(isNormed(site) ? 3 : has(`${site.name}.bias`))
  })
})

it('leaves a norm that measures the product to measure it', async () => {
  const model = freshModel(FRESH_CONFIGS.resnet8, { seed: 3 })
  const { weights, dispose } = await loadModel(model)
  const x = pixels(2)
  const moments = (_: unknown, y: tf.Tensor) => tf.moments(y, [0, 1, 2])
  const run = (product?: Product): tf.Tensor => forward(model, x, { weights, moments, ...(product ? { product } : {}) })
  const seen: number[] = []
  const ys = [
    run(),
    run(({ site, input, weight, times, after }) => {
      if (site.kind === 'conv2d') seen.push(Object.keys(after()).length)
      return tf.mul(times(input, weight()), 3) // which a norm by moments of its own takes back
    }),
  ]
  expect(new Set(seen)).toEqual(new Set([0]))
  const [plain, scaled] = (await Promise.all(ys.map(y => y.data()))) as Float32Array[]
  // the head's product is three times as large, its bias is not
  const bias = (await weights('linear.bias').data()) as Float32Array
  expect(
    largestGap(
      scaled.map((value, i) => (value - bias[i % 3]) / 3 + bias[i % 3]),
      plain,
    ),
  ).toBeLessThan(1e-3)
  tf.dispose([x, ...ys])
  dispose()
})
