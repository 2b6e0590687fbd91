import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { compress, maskedOf, pipeline, type Method, type Model } from '@tersor/core'
import { describePass, outputOf, picoBatches, picoModel, relativeError } from '@tersor/testing'
import type { Encoded } from '@tersor/tensor'
import { distill } from './distill.js'
import { fitNets } from './fit-nets.js'
import { softLabels } from './soft-labels.js'

/** Removes every second weight. */
const halved: Method = {
  kind: 'method',
  name: 'halved',
  apply: (_weight, { current }) =>
    maskedOf(
      Uint8Array.from({ length: current.shape[0] * current.shape[1] }, (_, i) => i % 2),
      current,
    ),
}
const short = { steps: 4, rows: 16, rate: 0.01 }

describePass(() => distill(short), { calibrated: true, after: () => halved })

const calibration = picoBatches()
afterAll(() => tf.dispose(calibration))

it('brings a pruned model nearer to the one before it, and keeps its mask', async () => {
  const input = calibration[0]
  const expected = await outputOf(picoModel(), input)
  const errorOf = async (model: Model) => relativeError(expected, await outputOf(model, input))
  const pruned = await compress(picoModel(), halved)
  const terms = [softLabels(), fitNets({ student: 'layers.1', teacher: 'layers.1' })]
  const taught = await compress(picoModel(), pipeline(halved, distill({ steps: 20, rows: 16, rate: 0.03, terms, weights: [1, 10] })), { calibration }) // prettier-ignore
  expect(await errorOf(taught)).toBeLessThan(0.8 * (await errorOf(pruned)))
  const mask = async ({ params }: Model) => ((await params.read('layers.0.weight')) as Encoded).parts.mask
  expect(await mask(taught)).toEqual(await mask(pruned))
  expect(taught.provenance?.[1].options).toMatchObject({
    terms: [{ name: 'soft-labels', options: { temperature: 2 } }, { name: 'fit-nets' }],
  })
})

it('refuses to teach a model by itself, and weights that are not as many as terms', async () => {
  await expect(compress(picoModel(), distill(short), { calibration })).rejects.toThrow(
    'distill would teach a model by itself: nothing was compressed before.\nPut it behind a step that compresses, or give terms that learn from data.',
  )
  expect(() => distill({ weights: [1] })).toThrow('distill: 1 weights stand before 0 terms.\nGive one to each term.')
  expect(() => distill({ terms: [softLabels()], weights: [1, 2] })).toThrow('distill: 2 weights stand before 1 terms.')
})
