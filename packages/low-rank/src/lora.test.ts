import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { affineFrom, compress, pipeline, type Made, type Method, type Model, type Term } from '@tersor/core'
import { describePass, outputOf, picoBatches, picoModel, relativeError } from '@tersor/testing'
import type { Encoded } from '@tersor/tensor'
import { eora } from './eora.js'
import { lora } from './lora.js'

/** Two bits for rows of sixteen. */
const coarse: Method = {
  kind: 'method',
  name: 'coarse',
  apply: async weight => affineFrom(await weight.data<'float32'>(), weight.shape, { bits: 2, symmetric: true, group: 16, joint: false }),
}

describePass(() => lora({ rank: 2, steps: 3, rows: 16 }), { calibrated: true, after: () => coarse })

const calibration = picoBatches()
afterAll(() => tf.dispose(calibration))

it('comes nearer to the model before than a repair that is not trained, with the codes as they are', async () => {
  const expected = await outputOf(picoModel(), calibration[0])
  const errorOf = async (model: Model) => relativeError(expected, await outputOf(model, calibration[0]))
  const rounded = await compress(picoModel(), coarse)
  const repaired = await compress(picoModel(), pipeline(coarse, eora({ rank: 2 })), { calibration })
  const squares: Term & Made = { name: 'squares', taught: true, loss: ({ student, teacher }) => tf.mean(tf.square(tf.sub(student.output, teacher.output))) } // prettier-ignore
  const adapted = await compress(picoModel(), pipeline(coarse, lora({ rank: 2, steps: 50, rows: 32, rate: 0.05, terms: [squares] })), { calibration }) // prettier-ignore
  expect(await errorOf(adapted)).toBeLessThan(await errorOf(repaired))
  const base = async ({ params }: Model, part?: string) => {
    const tree = (await params.read('layers.0.weight')) as Encoded
    return part ? tree.parts[part] : tree
  }
  expect(await base(adapted, 'base')).toEqual(await base(rounded))
})

it('refuses a model that nothing was done to', async () => {
  await expect(compress(picoModel(), lora(), { calibration })).rejects.toThrow(
    'lora would teach a model by itself: nothing was compressed before.',
  )
  expect(() => lora({ rank: 0 })).toThrow('lora got rank = 0.')
})
