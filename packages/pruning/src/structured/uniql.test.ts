import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { compress, cutSorted, firstUnitsOf, shrink, switchedOff, type Model } from '@tersor/core'
import { describeExact, describePass, outputOf, relativeError } from '@tersor/testing'
import { toInt32, type Dense } from '@tersor/tensor'
import { calibration, model, suite } from './small-llama.fixture.js'
import { uniql } from './uniql.js'

const sorting = () => uniql({ multiple: 4, pairs: 1 })

beforeAll(() => tf.setBackend('ort'))
describePass(sorting, suite)
describeExact(sorting, { model, calibration, tolerance: 1e-5 })

const sorted = async (pass = sorting()): Promise<Model> => {
  const batches = calibration()
  const made = await compress(model(), pass, { calibration: batches, seed: 1 })
  tf.dispose(batches)
  return made
}

it('cuts to the first units, which are those of a shrunken network', async () => {
  const made = await sorted()
  const [x] = calibration()
  const cut = await cutSorted(made, 0.5)
  const change = firstUnitsOf(made, 0.5)
  const [ours, small, large] = [await outputOf(cut, x), await outputOf(await shrink(made, change), x), await outputOf(switchedOff(made, change), x)] // prettier-ignore
  expect(ours).toEqual(small)
  expect(relativeError(large, ours)).toBeLessThan(1e-5)
  expect(relativeError(await outputOf(made, x), ours)).toBeGreaterThan(1e-2)
  x.dispose()
})

it('writes which frequency turns each pair', async () => {
  const { params } = await sorted()
  const table = (await params.read('model.layers.0.self_attn.rotary_pairs')) as Dense
  expect(table.shape).toEqual([2, 2])
  expect([...toInt32(table)].map(place => place < 2)).toEqual([true, true, true, true])
})
