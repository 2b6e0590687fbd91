import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { compress, switchedOff } from '@tersor/core'
import { describePass, outputOf, picoModel, relativeError } from '@tersor/testing'
import { sliceGpt } from './slice-gpt.js'
import { calibration, cutBy, model, suite } from './small-llama.fixture.js'

beforeAll(() => tf.setBackend('ort'))
describePass(() => sliceGpt({ keep: 0.75 }), suite)

it('leaves the axes along which the stream varies most, and a head of its own', async () => {
  const { config, params } = await cutBy(sliceGpt({ keep: 0.8, multiple: 4 }))
  expect(config).toMatchObject({ hidden_size: 12, tie_word_embeddings: false })
  expect(params.info('lm_head.weight').shape).toEqual([32, 12])
})

it('answers as before where the stream stands in a plane and its axes stay', async () => {
  // the stream is written in the first half of its channels only, so half of its axes carry nothing
  const flat = switchedOff(model(), { keep: new Map([['stream', [0, 1, 2, 3, 4, 5, 6, 7]]]) })
  const batches = calibration()
  const small = await compress(flat, sliceGpt({ keep: 0.5 }), { calibration: batches, seed: 1 })
  const [ours, whole] = [await outputOf(small, batches[0]), await outputOf(flat, batches[0])]
  expect(relativeError(whole, ours)).toBeLessThan(1e-3)
  tf.dispose(batches)
})

it('refuses networks whose stream cannot be rotated, and shares of one', async () => {
  await expect(compress(picoModel(), sliceGpt())).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('no stream') }) // prettier-ignore
  expect(() => sliceGpt({ keep: 1 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
})
