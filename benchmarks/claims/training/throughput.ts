/** Tokens a second of `train`, and of its step alone: loss and gradients as one captured graph, and Adam. */
import * as tf from '@tensorflow/tfjs-core'
import { capture } from '@tersor/backend-ort'
import { createRng, crossEntropy, forward, loadModel, type Model } from '@tersor/core'
import { adamUpdate } from '@tersor/kernels'
import { freshModel } from '@tersor/models'
import { median } from '../../speed/duel.js'
import { RATE, stepping, type Stepper } from '../../speed/stepping.js'
import { configOfBundled } from './texts.js'
import type { Side } from './claim.js'

const [ROWS, LENGTH] = [8, 256]
const WARM_UP = 3
const STEPS = 5
const ROUNDS = 6

const batchOf = (seed: number) => {
  const rng = createRng(seed)
  const ids = () => tf.tensor2d(Int32Array.from({ length: ROWS * LENGTH }, () => rng.integer(4096)), [ROWS, LENGTH], 'int32') // prettier-ignore
  return { input: ids(), target: ids() }
}

const capturedStep = async (model: Model): Promise<Stepper> => {
  const { weights, dispose } = await loadModel(model)
  const slots = model.params.names().map(name => {
    const parameter = tf.variable(weights(name))
    return { name, parameter, mean: tf.variable(tf.zerosLike(parameter), false), square: tf.variable(tf.zerosLike(parameter), false) }
  })
  dispose()
  const byName = new Map(slots.map(({ name, parameter }) => [name, parameter]))
  const variables = slots.map(({ parameter }) => parameter)
  const gradientsOf = capture((input: tf.Tensor, target: tf.Tensor) => {
    const loss = () => crossEntropy(forward(model, input, { weights: name => byName.get(name)! }), { input, target })
    const { value, grads } = tf.variableGrads(loss, variables)
    return [value as tf.Tensor, ...variables.map(({ name }) => grads[name])]
  })
  let step = 0
  return {
    step: async () => {
      const { input, target } = batchOf(step)
      const [value, ...gradients] = gradientsOf(input, target)
      step++
      tf.tidy(() =>
        slots.forEach(({ parameter, mean, square }, i) => {
          const made = adamUpdate({ parameter, gradient: gradients[i], mean, square }, { rate: RATE, step })
          ;[parameter, mean, square].forEach((variable, at) => variable.assign(made[at]))
        }),
      )
      await value.data()
      tf.dispose([input, target, value, ...gradients])
    },
    stop: async () => {
      gradientsOf.dispose()
      tf.dispose(slots.flatMap(({ parameter, mean, square }) => [parameter, mean, square]))
    },
  }
}

const timeOf = async ({ step }: Stepper, steps: number): Promise<number> => {
  const started = performance.now()
  for (let i = 0; i < steps; i++) await step()
  return (performance.now() - started) / 1000
}

/** Seconds of so many steps of each, in turn. */
const duel = async (): Promise<{ readonly ours: readonly number[]; readonly theirs: readonly number[] }> => {
  const model = freshModel(await configOfBundled(), { seed: 1 })
  const [ours, theirs] = [stepping(model, batchOf), await capturedStep(model)]
  const [own, other]: [number[], number[]] = [[], []]
  await timeOf(ours, WARM_UP)
  await timeOf(theirs, WARM_UP)
  for (let round = 0; round < ROUNDS; round++)
    for (const first of round % 2 === 0 ? [true, false] : [false, true]) {
      if (first) own.push(await timeOf(ours, STEPS))
      else other.push(await timeOf(theirs, STEPS))
    }
  await ours.stop()
  await theirs.stop()
  return { ours: own, theirs: other }
}

export const throughput = (): readonly Side[] => {
  let measured: ReturnType<typeof duel> | undefined
  const tokens = STEPS * ROWS * LENGTH
  return [
    {
      name: 'train',
      measure: async () => {
        const { ours, theirs } = await (measured ??= duel())
        return { 'tokens a second': tokens / median(ours), share: median(theirs.map((seconds, i) => seconds / ours[i])) }
      },
    },
    { name: 'captured step', measure: async () => ({ 'tokens a second': tokens / median((await (measured ??= duel())).theirs) }) },
  ]
}
