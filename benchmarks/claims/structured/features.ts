/** Claims about a small vision transformer that gives features instead of classes, cut without labels. */
import * as tf from '@tensorflow/tfjs-core'
import { compress, forward, loadModel, pipeline, walkGradients, type Model, type Pass, type Step, type Term } from '@tersor/core'
import { distill, fitNets } from '@tersor/distillation'
import { freshModel } from '@tersor/models'
import { defineUnitScore, scoresByParameter, slimSam, structured, unitDisturbedTaylor, unitNorm, unitRandom, unitTaylor } from '@tersor/pruning' // prettier-ignore
import { IMAGES, learnedImages, openResNet, testImages, trainOnImages } from '../training/images.js'
import type { Claim, Figure, Side } from '../training/claim.js'
import { parametersOf } from './parameters-of.js'

/** What ResNet-20 gives before its classes, 64 numbers an image, which the transformer learns to give. */
const TAUGHT = 'linear.inputs'
const ENCODER = { hidden_size: 64, intermediate_size: 256, num_hidden_layers: 4, num_attention_heads: 4 }
const CONFIG = { ...ENCODER, model_type: 'vit', image_size: 32, patch_size: 4, num_labels: 64 }
const FEATURES = 'classifier'
const LEARNING_STEPS = 500
/** Behind each of two cuts, or twice as many behind one. */
const STEPS = 60
const TRAINING = { rows: 50, rate: 1e-3 }
const KEEP = 0.5
const UNITS = ['stream', 'sizes', 'neurons']
const CALIBRATION = 1000
const BATCH = 50

const asResNet: Term = {
  name: 'as ResNet-20',
  places: { teacher: [TAUGHT] },
  loss: ({ student, teacher }) => tf.mean(tf.square(tf.sub(student.output, teacher.at(TAUGHT)))),
}

/** What networks give for all batches, or show at a place. */
const featuresOf = async (model: Model, batches: readonly tf.Tensor[], place?: string): Promise<readonly tf.Tensor[]> => {
  const { weights, dispose } = await loadModel(model)
  const made = batches.map(input =>
    tf.tidy(() => {
      let shown: tf.Tensor | undefined
      const output = forward(model, input, { weights, probe: (at, value) => at === place && (shown = tf.keep(value())) })
      return shown ?? output
    }),
  )
  dispose()
  return made
}

/** Σ (y − y₀)² / Σ (y₀ − their mean)² over the test images, y₀ of one network and y of another. */
const errorTo = async (wanted: Model, given: Model, place?: string): Promise<number> => {
  const test = await testImages()
  const batches = Array.from({ length: test.count / 100 }, (_, i) => test.batch(i * 100, (i + 1) * 100))
  const [before, after] = [await featuresOf(wanted, batches, place), await featuresOf(given, batches)]
  const error = tf.tidy(() => {
    const [y0, y] = [before, after].map(each => tf.concat([...each]))
    const apart = tf.sum(tf.square(tf.sub(y, y0)))
    return tf.div(apart, tf.sum(tf.square(tf.sub(y0, tf.mean(y0, 0)))))
  })
  const [value] = await error.data()
  tf.dispose([error, ...batches, ...before, ...after])
  return value
}

const learn = async () => {
  const teacher = await openResNet('resnet20')
  const fresh = freshModel(CONFIG, { seed: 1 })
  const model = await trainOnImages(fresh, 1, { objective: asResNet, teacher, steps: LEARNING_STEPS })
  console.log(`    of the variance of those features on test images it leaves ${(await errorTo(teacher, model, TAUGHT)).toFixed(3)}`)
  const images = await learnedImages()
  const calibration = Array.from({ length: CALIBRATION / BATCH }, (_, i) => images.batch(i * BATCH, (i + 1) * BATCH))
  return { teacher, model, calibration }
}
let learned: ReturnType<typeof learn> | undefined
const encoder = () => (learned ??= learn())

/** First-order Taylor of what the transformer learned from: its distance from the features of ResNet-20. */
const taylorOfTargets = defineUnitScore({
  name: 'taylor-of-targets',
  summary: 'scores units by what the distance from the features of ResNet-20 would change without them',
  options: {},
  make: () => ({
    of: async ({ step, model, couplings, context }) => {
      const { teacher, calibration } = await encoder()
      const targets = await featuresOf(teacher, calibration, TAUGHT)
      const scores = scoresByParameter(couplings)
      await walkGradients(
        model,
        step,
        context,
        (name, gradient, weight) => scores.add(name, () => tf.abs(tf.mul(weight, gradient))),
        ({ output, batch }) => tf.mul(tf.sub(output, targets[batch]), 2 / output.size),
      )
      tf.dispose([...targets])
      return scores.all()
    },
  }),
})

const shown = async (name: string, seed: number, step: Step): Promise<Model> => {
  const { model, calibration } = await encoder()
  const small = await compress(model, step, { calibration, seed })
  console.log(`    ${name}: ${JSON.stringify((small as Model & { readonly rawConfig: object }).rawConfig)}`)
  return small
}

const atOnce = (name: string, score: Parameters<typeof structured>[0] & object): Side => ({
  name: `at once by ${name}`,
  measure: async seed => {
    const cut = structured({ keep: KEEP, units: UNITS, multiple: 4, ...score })
    const taught = distill({ terms: [fitNets({ student: FEATURES, teacher: FEATURES })], steps: 2 * STEPS, ...TRAINING })
    const small = await shown(name, seed, pipeline(cut, taught))
    const { model, calibration } = await encoder()
    const untaught = await errorTo(model, await compress(model, cut, { calibration, seed }))
    return { error: await errorTo(model, small), untaught, thousands: parametersOf(small) / 1000 }
  },
})

const byTurns = (name: string, pass: Pass): Side => ({
  name,
  measure: async seed => {
    const small = await shown(name, seed, pass)
    return { error: await errorTo((await encoder()).model, small), thousands: parametersOf(small) / 1000 }
  },
})

const ERROR: Figure = { better: 'lower', digits: 4, tie: 0 }

const slimmed: Claim = {
  name: 'slim-sam',
  says: `a vision transformer of 4 blocks that gives 64 features of ResNet-20, half of its stream, of the size of its heads and of its neurons, ${2 * STEPS} steps on its own features: disturbed Taylor below magnitude and below Taylor of what it learned from, by turns below at once`,
  data: IMAGES,
  figures: { error: ERROR, untaught: ERROR, thousands: { better: 'lower', digits: 1, tie: 0 } },
  sides: () => [
    byTurns('SlimSAM', slimSam({ keep: KEEP, steps: STEPS, ...TRAINING })),
    byTurns('SlimSAM, blocks alike', slimSam({ keep: KEEP, steps: STEPS, among: 'coupling', ...TRAINING })),
    atOnce('disturbed Taylor', { score: unitDisturbedTaylor() }),
    atOnce('sum of squares', { score: unitNorm() }),
    atOnce('Taylor of targets', { score: taylorOfTargets() }),
    atOnce('Taylor of own answers', { score: unitTaylor() }),
    atOnce('chance', { score: unitRandom() }),
  ],
  orders: [
    { figure: 'error', first: 'at once by disturbed Taylor', than: 'at once by sum of squares' },
    { figure: 'error', first: 'at once by disturbed Taylor', than: 'at once by Taylor of targets' },
    { figure: 'error', first: 'SlimSAM, blocks alike', than: 'at once by disturbed Taylor' },
    { figure: 'error', first: 'SlimSAM', than: 'at once by disturbed Taylor' },
  ],
}

export const FEATURES_OF_IMAGES: readonly Claim[] = [slimmed]
