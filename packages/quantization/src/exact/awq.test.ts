import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, decode, pipeline, type Model } from '@tersor/core'
import { describeExact, describePass, picoModel, randomRows, applyMethod, useEngine } from '@tersor/testing'
import { toFloat32, type Dense } from '@tersor/tensor'
import { awq } from './awq.js'
import { normedModel } from './normed-model.fixture.js'
import { rtn } from '../rounding/rtn.js'

useEngine()

const given = () => tf.tensor2d(randomRows(32, 4, 3))
const model = () => normedModel([1, 2, 3, 4], randomRows(3, 4, 5))

const suite = { model, calibration: () => [given(), given()], calibrated: true }
describePass(() => awq({ bits: 3 }), suite)
describeExact(() => awq({ bits: 4, granularity: 'row' }), suite)

const valuesOf = async (model: Model, name: string): Promise<number[]> => [...toFloat32((await model.params.read(name)) as Dense)]

/** Squared error of the outputs after a step. */
const outputError = async (model: Model, small: Model, x: tf.Tensor): Promise<number> => {
  const run = async (of: Model): Promise<tf.Tensor> => {
    const [norm, up] = [decode(await of.params.read('norm.weight')), decode(await of.params.read('up.weight'))]
    const y = of.stages[0].run(x, { weights: name => (name === 'norm.weight' ? norm : up) })
    tf.dispose([norm, up])
    return y
  }
  const [a, b] = [await run(model), await run(small)]
  const sum = tf.tidy(() => tf.sum(tf.squaredDifference(a, b)))
  const [value] = await sum.data()
  tf.dispose([a, b, sum])
  return value
}

const grid = { bits: 3, granularity: 'row' } as const

it('takes by hand the better of two ratios', async () => {
  // Ratio 0 leaves the row as it is: at 2 bits the scale is 2/3, and 0.4 becomes 0.667, times 16 off by 4.27.
  // mean|x| = (16, 1): ratio ½ gives s = (4, 1) / 2 = (2, ½), so the row is (0.8, 0.5), the scale 0.533 and 0.8 / 2 becomes 0.267: 2.13 off.
  const calibration = [tf.tensor2d([[16, 1], [-16, -1]])] // prettier-ignore
  const small = await compress(normedModel([1, 1], [[0.4, 1]]), awq({ bits: 2, granularity: 'row', steps: 2 }), { calibration })
  const [norm, weight] = [await valuesOf(small, 'norm.weight'), await valuesOf(small, 'up.weight')]
  ;[0.5, 2].forEach((value, i) => expect(norm[i]).toBeCloseTo(value, 6))
  ;[0.8, 0.5].forEach((value, i) => expect(weight[i]).toBeCloseTo(value, 6))
  tf.dispose(calibration)
})

it('helps rounding where a channel sees large activations', async () => {
  for (let seed = 0; seed < 5; seed++) {
    const model = normedModel(Array.from({ length: 16 }, (_, i) => (i === 3 ? 30 : 1)), randomRows(8, 16, seed)) // prettier-ignore
    const x = tf.tensor2d(randomRows(64, 16, seed + 100))
    const plain = await outputError(model, await compress(model, rtn(grid), { calibration: [x] }), x)
    const scaled = await outputError(model, await compress(model, pipeline(awq(grid), rtn(grid)), { calibration: [x] }), x)
    expect(scaled).toBeLessThan(0.9 * plain)
    x.dispose()
  }
})

it('changes nothing of what the network computes', async () => {
  const model = normedModel([1, 20, 3, 0.1], randomRows(8, 4, 3))
  const x = tf.tensor2d(randomRows(64, 4, 4))
  expect(await outputError(model, await compress(model, awq({ bits: 2 }), { calibration: [x] }), x)).toBeLessThan(1e-6)
  x.dispose()
})

it.each([
  { symmetric: false, group: 3 },
  { symmetric: false, granularity: 'tensor' },
] as const)('searches on the grid that it is given: %j', async options => {
  const model = normedModel(Array.from({ length: 8 }, (_, i) => (i === 3 ? 30 : 1)), randomRows(8, 8, 2)) // prettier-ignore
  const x = tf.tensor2d(randomRows(64, 8, 100))
  const plain = await outputError(model, await compress(model, rtn({ bits: 3, ...options }), { calibration: [x] }), x)
  const both = pipeline(awq({ bits: 3, ...options }), rtn({ bits: 3, ...options }))
  expect(await outputError(model, await compress(model, both, { calibration: [x] }), x)).toBeLessThan(plain)
  x.dispose()
})

it('checks its options when it is made', () => {
  expect(() => awq({ steps: 1 })).toThrow('awq got steps = 1.\nPass an integer of at least 2: ratios tried')
  expect(() => awq({ granularity: 'row', group: 8 })).toThrow('awq: group = 8 has no meaning when granularity is row.')
})

it('refuses what it cannot work on', async () => {
  const calibration = [given()]
  await expect(compress(model(), awq({ bits: 3 }))).rejects.toThrow(
    'awq learns from inputs, and no calibration batch was given.\nPass calibration',
  )
  await expect(compress(picoModel(), awq({ bits: 3 }), { calibration })).rejects.toThrow(
    'awq finds no channels in this model whose scale is free.\nUse a network of @tersor/models',
  )
  const rounded = await applyMethod(rtn(), { weight: randomRows(3, 4, 5) })
  await expect(compress(normedModel([1, 1, 1, 1], [[], [], []], rounded), awq({ bits: 3 }), { calibration })).rejects.toThrow(
    'awq would change "up.weight", which is compressed already (affine).\nPut awq before the step that compressed it.',
  )
  const broken = normedModel([1, NaN, 1, 1], randomRows(3, 4, 5))
  await expect(compress(broken, awq({ bits: 3 }), { calibration })).rejects.toMatchObject({ code: 'NOT_FINITE' })
  tf.dispose(calibration)
})
