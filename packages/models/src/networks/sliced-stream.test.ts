import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { createRng, shrink, switchedOff } from '@tersor/core'
import { toFloat32, type Dense } from '@tersor/tensor'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { largestGap, outputsOf, withValues } from './outputs.fixture.js'
import { slicedGpt2, type Plain } from './sliced-gpt2.reference.js'

beforeAll(() => tf.setBackend('ort'))

it.each([
  ['all channels', Array.from({ length: 32 }, (_, channel) => channel)],
  ['some of them, in another order', [31, 4, 5, 6, 20, 21, 0, 12, 13, 17, 29]],
])('a stream through layer norms gives what plain loops over those channels give: %s', async (_, channels) => {
  const rng = createRng(3)
  const fresh = freshModel(FRESH_CONFIGS.gpt2, { seed: 4, deviation: 0.1 })
  const model = await withValues(fresh, (name, values) => values.map(value => value + 0.1 * rng.fork(name).normal()))
  const parameters = new Map<string, Plain>()
  for (const name of model.params.names()) {
    const parameter = (await model.params.read(name)) as Dense
    parameters.set(name, { values: toFloat32(parameter), shape: parameter.shape })
  }
  const ids = [3, 50, 1, 7, 22]
  const expected = slicedGpt2({ parameters, channels, layers: 2, heads: 4, epsilon: 1e-5 }, ids)
  const small = await shrink(model, { keep: new Map([['stream', channels]]) })
  const logits = await outputsOf(small, () => tf.tensor2d([ids], [1, ids.length], 'int32'))
  expect(largestGap(logits, expected.flat())).toBeLessThan(1e-5)
})

it('and no mask of the large network does, which is said', () => {
  const model = freshModel(FRESH_CONFIGS.gpt2)
  expect(() => switchedOff(model, { keep: new Map([['stream', [0, 1]]]) })).toThrow(
    '"stream" runs through layer norms, whose mean would count the zeros of a mask.\nShrink the network and compare its outputs with those of the large one.',
  )
  const bert = freshModel(FRESH_CONFIGS.bert)
  expect(() => switchedOff(bert, { without: new Set(['bert.encoder.layer.0']) })).toThrow(
    'No zeros make "bert.encoder.layer.0" add nothing: norms stand behind its sums.\nShrink the network and compare its outputs with those of the large one.',
  )
})
