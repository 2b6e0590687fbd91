import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, type Model } from '@tersor/core'
import { sizeOf } from '@tersor/tensor'
import { describePass, useEngine } from '@tersor/testing'
import { keptRows, UP } from './kept-rows.fixture.js'
import { calibration as ids, model as smallLlama } from './small-llama.fixture.js'
import { structured } from './structured.js'
import { twoLayers } from './two-layers.fixture.js'
import { unitRelevance } from './unit-relevance.js'

useEngine()
describePass(() => structured({ score: unitRelevance(), keep: 0.5 }), { calibrated: true })
describePass(() => structured({ score: unitRelevance(), keep: 0.5, rounds: 2 }), { calibrated: true })

it('is what of the right logit flows through a unit', async () => {
  // neurons 1, 2, 4 and 0; own answer: the first, 9 = 5 · 1 + 2 · 2 + 0 · 4 + 9 · 0, so that units have 5, 4, 0 and 0
  expect((await keptRows(unitRelevance())).up).toEqual([UP[0]])
  expect((await keptRows(unitRelevance(), 0.5)).up).toEqual([UP[0], UP[1]])
})

/** Scores of the neurons of two layers. */
const scoresOf = async (model: Model, batches: tf.Tensor[], labels?: readonly number[]) => {
  const scores: Float64Array[] = []
  const score = unitRelevance(labels ? { labels } : {})
  const watched = { ...score, of: async (asked: Parameters<typeof score.of>[0]) => (scores.push(...(await score.of(asked))), scores) }
  await compress(model, structured({ score: watched, keep: 0.5 }), { calibration: batches })
  tf.dispose(batches)
  return scores.map(each => [...each])
}

it('adds up samples by their labels, whatever their sign', async () => {
  // neurons (1, 2) and (3, 1). Label 0: 5 · 1 + 1 · 2 = 7, of which 5 and 2. Label 1: (−4 · 3 + 1 · 1) = −11, all of it from what adds: neuron 1
  const model = twoLayers([[1, 0], [0, 1]], [[5, 1], [-4, 1]]) // prettier-ignore
  expect(await scoresOf(model, [tf.tensor2d([[1, 2], [3, 1]])], [0, 1])).toEqual([[5, 2 + 11]]) // prettier-ignore
  expect(await scoresOf(model, [tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 1]])], [0, 1])).toEqual([[5, 2 + 11]]) // prettier-ignore
})

it('compares units of all layers as they are', async () => {
  expect(unitRelevance().comparable).toBe(true)
})

it.each([
  ['labels that do not fit', () => unitRelevance({ labels: [0] }), 'BAD_DATA'],
  ['labels of no numbers', () => unitRelevance({ labels: ['cat' as never] }), 'BAD_OPTION'],
])('refuses %s', async (_, make, code) => {
  const batches = [tf.tensor2d([[1, 2], [3, 1]])] // prettier-ignore
  const run = async () => compress(twoLayers([[1, 0], [0, 1]], [[1, 1], [1, 0]]), structured({ score: make() }), { calibration: batches }) // prettier-ignore
  await expect(run()).rejects.toMatchObject({ code })
  tf.dispose(batches)
})

it('refuses stages that multiply by themselves', async () => {
  const model = twoLayers([[1, 0], [0, 1]], [[1, 1], [1, 0]]) // prettier-ignore
  const [up, down] = model.stages
  const own = { ...down, run: (x: tf.Tensor, env: Parameters<typeof down.run>[1]) => tf.matMul(x, env.weights('down.weight')) }
  const batches = [tf.tensor2d([[1, 2]])]
  const run = compress({ ...model, stages: [up, own] }, structured({ score: unitRelevance() }), { calibration: batches })
  await expect(run).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringMatching(/"down" multiplies by itself[^]*siteProduct/) }) // prettier-ignore
  tf.dispose(batches)
})

it.each(['neurons', 'heads', 'stream'])('takes %s of a language model', async kind => {
  const batches = ids()
  const numbers = ({ params }: Model): number => params.names().reduce((sum, name) => sum + sizeOf(params.info(name).shape), 0)
  const small = await compress(smallLlama(), structured({ score: unitRelevance(), keep: 0.5, units: [kind] }), { calibration: batches })
  expect(numbers(small)).toBeLessThan(numbers(smallLlama()))
  tf.dispose(batches)
})
