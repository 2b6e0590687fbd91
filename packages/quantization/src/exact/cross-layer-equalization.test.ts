import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, pipeline, type Model } from '@tersor/core'
import { describeExact, describePass, outputOf as outputsFor, picoModel } from '@tersor/testing'
import { toFloat32, type Dense } from '@tersor/tensor'
import { biasedModel, matrixOfRows, vectorOf } from './biased-model.fixture.js'
import { crossLayerEqualization } from './cross-layer-equalization.js'
import { rtn } from '../rounding/rtn.js'

beforeAll(() => tf.setBackend('cpu'))

const model = biasedModel({
  'first.weight': matrixOfRows([
    [8, -4],
    [0.25, 0.5],
    [0, 0],
  ]),
  'first.bias': vectorOf(-4, 1, 3),
  'second.weight': matrixOfRows([
    [2, 1, 5],
    [-1, -8, 7],
  ]),
  'second.bias': vectorOf(0, 1),
})

const valuesOf = async (of: Model, name: string): Promise<number[]> => [...toFloat32((await of.params.read(name)) as Dense)]

const inputs = () => tf.tensor2d([[1, 2], [-3, 0.5]]) // prettier-ignore
const suite = { model: () => model, calibration: () => [inputs()] }
describePass(() => crossLayerEqualization(), suite)
describeExact(() => crossLayerEqualization(), suite)

const outputOf = async (of: Model): Promise<Float32Array> => {
  const x = inputs()
  const values = await outputsFor(of, x)
  x.dispose()
  return values
}

it('gives both sides of a channel one range and leaves the function alone, by hand', async () => {
  // s = √(8 / 2) = 2 and √(0.5 / 8) = 1/4; a channel without weights stays
  const equal = await compress(model, crossLayerEqualization())
  expect(await valuesOf(equal, 'first.weight')).toEqual([4, -2, 1, 2, 0, 0])
  expect(await valuesOf(equal, 'first.bias')).toEqual([-2, 4, 3])
  expect(await valuesOf(equal, 'second.weight')).toEqual([4, 0.25, 5, -2, -2, 7])
  expect(await valuesOf(equal, 'second.bias')).toEqual([0, 1])
  const [before, after] = [await outputOf(model), await outputOf(equal)]
  after.forEach((value, i) => expect(Math.abs(value - before[i])).toBeLessThan(1e-4))
  expect(equal.provenance).toEqual([expect.objectContaining({ method: 'cross-layer-equalization' })])
})

it('makes one scale a tensor lose less', async () => {
  const step = rtn({ bits: 4, granularity: 'tensor' })
  const [before, plain] = [await outputOf(model), await outputOf(await compress(model, step))]
  const equal = await outputOf(await compress(model, pipeline(crossLayerEqualization(), step)))
  const errorOf = (values: Float32Array): number => values.reduce((sum, value, i) => sum + (value - before[i]) ** 2, 0)
  expect(errorOf(equal)).toBeLessThan(errorOf(plain))
})

it('refuses what it cannot do', async () => {
  await expect(compress(picoModel(), crossLayerEqualization())).rejects.toMatchObject({
    code: 'COMPOSITION',
    message:
      'cross-layer-equalization found no two layers with only a ReLU between them.\nUse it on a network of convolutions whose batch norms are folded (fold-batch-norm).',
  })
  await expect(compress(model, pipeline(rtn(), crossLayerEqualization()))).rejects.toMatchObject({
    code: 'COMPOSITION',
    message:
      '"first.weight" is compressed already (affine), and equalizing would change it.\nPut cross-layer-equalization before the steps that compress.',
  })
})
