import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { forward, loadModel } from '@tersor/core'
import { picoLlama, type LanguageModel } from '@tersor/models'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { comparePredictions } from './compare-predictions.js'
import { klDivergence } from './kl-divergence.js'
import { perplexity } from './perplexity.js'

const model = picoLlama({ vocabulary: 20, layers: 1, context: 8, seed: 2 })
const reference = picoLlama({ vocabulary: 20, layers: 2, context: 8, seed: 1 })
const windows = [[1, 2, 3, 4, 5], [6], [7, 8, 9], [3, 1, 4, 1, 5], [2, 7, 1]]

let before = 0
beforeAll(async () => void (await tf.setBackend('ort')))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

/** The likeliest next token at each position of a text but the last, in plain loops. */
const choices = async (each: LanguageModel, ids: readonly number[]): Promise<number[]> => {
  const { weights, dispose } = await loadModel(each)
  const x = tf.tensor2d([[...ids]], [1, ids.length], 'int32')
  const logits = forward(each, x, { weights })
  const rows = ((await logits.array()) as number[][][])[0].slice(0, -1)
  tf.dispose([x, logits])
  dispose()
  return rows.map(row => row.reduce((best, value, i) => (value > row[best] ? i : best), 0))
}

it('gives what perplexity and klDivergence give, and the share of other choices', async () => {
  let flips = 0
  for (const window of windows) {
    const [own, other] = [await choices(model, window), await choices(reference, window)]
    flips += own.filter((choice, i) => choice !== other[i]).length
  }
  expect(flips).toBeGreaterThan(0)
  const [own, other, { kl }] = [
    await perplexity(model, windows),
    await perplexity(reference, windows),
    await klDivergence(model, reference, windows),
  ]
  const result = await comparePredictions(model, reference, windows)
  expect(result).toEqual({
    perplexity: expect.closeTo(own.perplexity, 4),
    referencePerplexity: expect.closeTo(other.perplexity, 4),
    kl: expect.closeTo(kl, 5),
    flips: flips / 12,
    tokens: 12,
  })
})

it('finds nothing between a model and itself, however it is held', async () => {
  const whole = await comparePredictions(reference, reference, windows)
  expect(whole).toMatchObject({ kl: 0, flips: 0, perplexity: whole.referencePerplexity })
  expect((await comparePredictions(reference, reference, windows, { hold: 'stage' })).perplexity).toBeCloseTo(whole.perplexity, 4)
})

it('refuses other vocabularies, stops when it is told to, and tells NaN', async () => {
  const stranger = picoLlama({ vocabulary: 30, layers: 1, context: 8 })
  await expect(comparePredictions(stranger, reference, windows)).rejects.toMatchObject({
    code: 'BAD_DATA',
    message:
      'The model predicts 30 tokens, the reference 20.\nCompare models that share a vocabulary, such as a model and its compressed self.',
  })
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(comparePredictions(model, reference, windows, { signal })).rejects.toThrow('enough')
  const name = 'lm_head.weight'
  const { shape } = model.params.info(name)
  const others = await Promise.all(model.params.names().map(async each => [each, await model.params.read(each)] as const))
  const broken = memoryStore({
    ...Object.fromEntries(others),
    [name]: fromFloat32(new Float32Array(shape[0] * shape[1]).fill(NaN), 'f32', shape),
  })
  await expect(comparePredictions({ ...model, params: broken }, reference, windows)).rejects.toMatchObject({ code: 'NOT_FINITE' })
})
