import * as tf from '@tensorflow/tfjs-core'
import { calibrationData, forward, loadModel, weighted, type Batch, type Model, type Objective, type Rng, type Term } from '@tersor/core'

const meanSquare = (a: tf.Tensor, b: tf.Tensor): tf.Scalar => tf.mean(tf.square(tf.sub(a, b)))

/** The mean over places of mean (t − s)²; of the outputs where there are none. */
const features = (name: string, places: readonly string[] = []): Term => ({
  ...{ name, taught: true, places: { student: places, teacher: places } },
  loss: ({ student, teacher }) =>
    places.length === 0
      ? meanSquare(student.output, teacher.output)
      : tf.mean(tf.stack(places.map(place => meanSquare(student.at(place), teacher.at(place))))),
})

/** mean (y − answer)², with the answers of the batch. */
const answers = (name: string): Term => ({ name, loss: ({ student, target }) => meanSquare(student.output, target) })

/** ½ outputs + ½ what is inside for half of the steps, the outputs alone for the rest. */
export const alignInside = (name: string, inside: readonly string[], steps: number): Objective => {
  const isEarly = (step: number): boolean => step < steps / 2
  return weighted([step => (isEarly(step) ? 0.5 : 1), features(name)], [step => (isEarly(step) ? 0.5 : 0), features(name, inside)])
}

/** Where a lies on its line from 10/11 down to 0 half way. */
const shareOf = (step: number, steps: number): number => (10 / 11) * Math.max(0, 1 - (2 * step) / steps)

/** (1 − a) outputs of the network before all cuts, which the batch brings, + a (what blocks give + outputs) of the one before this cut. */
export const alignStream = (name: string, blocks: readonly string[], steps: number): Objective => {
  const a = (step: number): number => shareOf(step, steps)
  return weighted([step => 1 - a(step), answers(name)], [a, features(name, blocks)], [a, features(name)])
}

/** Rows of calibration with what a network makes of them. */
export const answeredBy = async (model: Model, batches: readonly tf.Tensor[], rows: number, rng: Rng, signal: AbortSignal) => {
  const { weights, dispose } = await loadModel(model, signal)
  const of = calibrationData(batches, rows, rng)
  const data = (step: number): Batch =>
    tf.tidy(() => {
      const { input } = of(step)
      return { input, target: forward(model, input, { weights }) }
    })
  return { data, dispose }
}
