/** Claims about the training loop itself: second gradients, batch norms, a schedule, and how fast it is. */
import {
  chain,
  clip,
  compress,
  crossEntropy,
  estimateStatistics,
  linearDecay,
  nesterov,
  rex,
  sgd,
  stepDecay,
  train,
  type Model,
  type Schedule,
} from '@tersor/core'
import * as tf from '@tensorflow/tfjs-core'
import { foldBatchNorm } from '@tersor/models'
import { toFloat32, type Dense } from '@tersor/tensor'
import { curvatureOf, twice } from '../../../packages/kernels/src/gradients.reference.js'
import { RIGHT, type Claim, type Side } from './claim.js'
import { freshResNet8, IMAGES, learnedImages, openResNet, rightOf, shiftedImages, stepsIn, trainOnImages } from './images.js'
import { throughput } from './throughput.js'

const gradients: Claim = {
  name: 'gradients',
  says: `vᵀHv by two backward passes through each of ${twice.length} gradient rules, against central differences of the gradient: 1e-2 at most`,
  figures: { 'largest error': { better: 'lower', digits: 4, tie: 0 } },
  sides: () => [
    {
      name: 'all rules',
      measure: async () => {
        const errors: number[] = []
        for (const name of twice) {
          const { exact, expected } = await curvatureOf(name)
          errors.push(Math.abs(exact - expected) / Math.max(1, Math.abs(expected)))
        }
        return { 'largest error': Math.max(...errors) }
      },
    },
  ],
  orders: [{ figure: 'largest error', first: 'all rules', than: 1e-2 }],
}

const EPOCHS_OF_NORMS = 3
/** Images of an epoch here. */
const SOME = 2000
/** Batches that both ways of measuring see. */
const PASS = 8
const ROWS = 50

const numbersAt = async ({ params }: Model, name: string): Promise<Float32Array> => toFloat32((await params.read(name)) as Dense)

/**
 * How far running measures that `train` kept over some batches, without moving a weight, are from those that a pass measures on each of the
 * batches: r ← 0.9 r + 0.1 m; the largest difference as a part of the largest value.
 */
const statisticsApart = async (model: Model): Promise<number> => {
  const images = await learnedImages()
  const batchAt = (step: number) => images.batch(step * ROWS, (step + 1) * ROWS)
  const labels = (step: number) => tf.tensor1d([...images.labels.slice(step * ROWS, (step + 1) * ROWS)], 'int32')
  const kept = await train(model, {
    objective: crossEntropy,
    transform: sgd({ learningRate: 0 }),
    data: step => ({ input: batchAt(step), target: labels(step) }),
    steps: PASS,
  })
  const names = model.stages.flatMap(({ statistics = [] }) => statistics.flatMap(({ mean, variance }) => [mean, variance]))
  const running = new Map<string, Float32Array>()
  for (const name of names) running.set(name, await numbersAt(model, name))
  for (let step = 0; step < PASS; step++) {
    const input = batchAt(step)
    const passed = await compress(model, estimateStatistics(), { calibration: [input] })
    input.dispose()
    for (const [name, before] of running) {
      const measured = await numbersAt(passed, name)
      running.set(name, before.map((value, i) => 0.9 * value + 0.1 * measured[i])) // prettier-ignore
    }
  }
  let apart = 0
  for (const [name, expected] of running) {
    const got = await numbersAt(kept, name)
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expected.forEach((value, i) => (apart = Math.max(apart, Math.abs(value - got[i]) / largest)))
  }
  return apart
}

const norms: Claim = {
  name: 'norms',
  says: `ResNet-20 with batch norms apart, ${EPOCHS_OF_NORMS} epochs of ${SOME} images: not below its folded twin, running measures as a pass over the same batches gives them`,
  data: IMAGES,
  figures: { right: RIGHT, 'measures apart': { better: 'lower', digits: 4, tie: 0 } },
  sides: async () => {
    const model = await openResNet('resnet20')
    const folded = await compress(model, foldBatchNorm())
    const steps = stepsIn(EPOCHS_OF_NORMS, SOME)
    const data = (seed: number) => shiftedImages(seed, SOME)
    return [
      {
        name: 'norms apart',
        measure: async seed => {
          const trained = await trainOnImages(model, seed, { steps, data: await data(seed) })
          return { right: await rightOf(trained), 'measures apart': await statisticsApart(trained) }
        },
      },
      {
        name: 'norms folded',
        measure: async seed => ({ right: await rightOf(await trainOnImages(folded, seed, { steps, data: await data(seed) })) }),
      },
    ]
  },
  orders: [
    { figure: 'right', first: 'norms apart', than: 'norms folded', orEqual: true },
    { figure: 'measures apart', first: 'norms apart', than: 1e-3 },
  ],
}

/** A tenth of what such a network is usually trained for here. */
const EPOCHS_OF_REX = 2
const PEAK = 0.05

const schedules = (steps: number): Readonly<Record<string, Schedule>> => ({
  rex: rex({ peak: PEAK, steps }),
  linear: linearDecay({ peak: PEAK, steps }),
  step: stepDecay({ peak: PEAK, at: [Math.round(steps / 2), Math.round((3 * steps) / 4)] }),
})

const rexClaim: Claim = {
  name: 'rex',
  says: `a fresh ResNet-8 after ${EPOCHS_OF_REX} epochs, a tenth of 20: REX not below a line, above steps`,
  data: IMAGES,
  figures: { right: RIGHT },
  sides: () =>
    Object.entries(schedules(stepsIn(EPOCHS_OF_REX))).map(([name, learningRate]): Side => ({
      name,
      measure: async seed => {
        const transform = chain(clip({ norm: 5 }), nesterov({ learningRate }))
        return { right: await rightOf(await trainOnImages(await freshResNet8(seed), seed, { steps: stepsIn(EPOCHS_OF_REX), transform })) }
      },
    })),
  orders: [
    { figure: 'right', first: 'rex', than: 'linear', orEqual: true },
    { figure: 'right', first: 'rex', than: 'step' },
  ],
}

const speed: Claim = {
  name: 'speed',
  says: '`train` on the bundled architecture, 8 windows of 256 tokens: at least 0.95 of the tokens a second of the captured step alone',
  figures: { 'tokens a second': { better: 'higher', digits: 0, tie: 0 }, share: { better: 'higher', digits: 3, tie: 0 } },
  sides: throughput,
  orders: [{ figure: 'share', first: 'train', than: 0.95 }],
}

export const LOOP: readonly Claim[] = [gradients, norms, rexClaim, speed]
