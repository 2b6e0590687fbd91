import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { compress, type Model } from '@tersor/core'
import { describePass, outputOf, picoBatches, picoModel, relativeError } from '@tersor/testing'
import { rtn } from '../rounding/rtn.js'
import { bitNet } from './bit-net.js'
import { lsq } from './lsq.js'
import { qat } from './qat.js'

describePass(() => qat({ steps: 3, rows: 16 }), { calibrated: true })
describePass(() => qat({ parametrization: lsq({ bits: 3, inputs: 4 }), steps: 3, rows: 16 }), { calibrated: true })

const calibration = picoBatches()
afterAll(() => tf.dispose(calibration))

it('answers better than rounding afterwards does', async () => {
  const expected = await outputOf(picoModel(), calibration[0])
  const errorOf = async (model: Model) => relativeError(expected, await outputOf(model, calibration[0]))
  const nearest = await compress(picoModel(), rtn({ bits: 2, granularity: 'tensor' }))
  const learned = await compress(picoModel(), qat({ parametrization: lsq({ bits: 2 }), steps: 30, rows: 16, rate: 0.02 }), { calibration })
  expect(await errorOf(learned)).toBeLessThan(0.8 * (await errorOf(nearest)))
  expect(learned.provenance?.[0].options).toMatchObject({ parametrization: { name: 'lsq', options: { bits: 2 } } })
})

it('takes parametrizations alone', () => {
  expect(qat({ parametrization: bitNet() }).name).toBe('qat')
  expect(() => qat({ parametrization: rtn() as never })).toThrow(
    'qat got parametrization = rtn(bits=4, symmetric=true, granularity=group).',
  )
})
