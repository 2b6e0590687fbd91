import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { compress, type Model } from '@tersor/core'
import { describeParametrization, outputOf, picoBatches, picoModel, relativeError } from '@tersor/testing'
import { describe as form } from '@tersor/tensor'
import { rtn } from '../rounding/rtn.js'
import { qat } from './qat.js'
import { onUniformLevels, quantizedDistillation } from './quantized-distillation.js'

describeParametrization(options => quantizedDistillation({ bits: 3, bucket: 8, ...options }), { tolerance: 0.02 })
describeParametrization(options => quantizedDistillation({ bits: 2, bucket: 5, ...options }), { tolerance: 0.02 })

const made = async (rows: number[][], bits: number, bucket: number) => {
  const value = onUniformLevels(tf.tensor2d(rows), bits, bucket)
  const numbers = [...(await value.data())].map(each => Math.round(each * 1e5) / 1e5 + 0)
  value.dispose()
  return numbers
}

it('rounds to even points between the least and the largest of a bucket', async () => {
  expect(await made([[0, 1, 2, 3]], 2, 256)).toEqual([0, 1, 2, 3])
  expect(await made([[0, 0.4, 1, 3]], 2, 256)).toEqual([0, 0, 1, 3])
  // buckets (0, 3), (1, 7) and (5, 5): a bucket of one value has the extent 1
  expect(await made([[0, 3, 1, 7, 5]], 1, 2)).toEqual([0, 3, 1, 7, 5])
  expect(await made([[-1, 0.4, 1], [2, 2, 2]], 1, 3)).toEqual([-1, 1, 1, 2, 2, 2]) // prettier-ignore
})

const calibration = picoBatches()
afterAll(() => tf.dispose(calibration))

it('answers better behind qat than rounding afterwards does, and stores codes', async () => {
  const expected = await outputOf(picoModel(), calibration[0])
  const errorOf = async (model: Model) => relativeError(expected, await outputOf(model, calibration[0]))
  const nearest = await compress(picoModel(), rtn({ bits: 2, symmetric: false, group: 16 }))
  const parametrization = quantizedDistillation({ bits: 2, bucket: 16 })
  const learned = await compress(picoModel(), qat({ parametrization, steps: 70, rows: 16, rate: 0.003 }), { calibration })
  expect(await errorOf(learned)).toBeLessThan(0.8 * (await errorOf(nearest)))
  expect(form(await learned.params.read('layers.0.weight'))).toBe('ranged{data: u2, scale: f16, minimum: f16}')
})

it('checks its options when it is made', () => {
  expect(() => quantizedDistillation({ bucket: 0 })).toThrow('quantized-distillation parametrization got bucket = 0.')
  expect(() => quantizedDistillation({ bits: 9 })).toThrow('Pass an integer from 1 to 8: bits of a code.')
})
