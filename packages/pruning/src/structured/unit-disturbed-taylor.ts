import * as tf from '@tensorflow/tfjs-core'
import { number, type OutputGradient, type Rng } from '@tersor/core'
import { taylorScores } from './taylor-scores.js'
import { defineUnitScore } from './unit-score.js'

/** Where disturbed scores and cutting by turns come from. */
export const CHEN = {
  title: 'SlimSAM: 0.1% Data Makes Segment Anything Slim',
  authors: 'Chen et al.',
  year: 2023,
  url: 'https://arxiv.org/abs/2312.05284',
} as const

/** ∂/∂y mean (y − (y + n))² = −2 n / numbers of y, with n of its own for each batch. */
const againstDisturbed =
  (noise: number, rng: Rng): OutputGradient =>
  ({ output: { shape, size }, batch }) => {
    const stream = rng.fork(`batch ${batch}`)
    const disturbance = Float32Array.from({ length: size }, () => noise * stream.normal())
    return tf.mul(tf.tensor(disturbance, shape), -2 / size)
  }

/**
 * Scores units of networks that give features, without labels: first-order Taylor against the network's own features, disturbed.
 * Mean over members of Σ |w · ∂L/∂w| with L = mean (y − (y₀ + n))² at y = y₀ and n ~ N(0, noise²), of the network's own outputs y₀; without n
 * loss and gradient are zero. Gradients add up over calibration before their magnitude is taken.
 * W: any shape that has the units on an axis. Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED where no gradients pass.
 * Chen et al. 2023, https://arxiv.org/abs/2312.05284
 */
export const unitDisturbedTaylor = defineUnitScore({
  name: 'unit-disturbed-taylor',
  summary: "scores units by what the distance from the network's own disturbed features would change to first order without them",
  paper: CHEN,
  differs: 'every batch of calibration counts the same; magnitudes of w · g are summed over what a unit owns',
  options: {
    noise: number({ min: 0, max: 1, default: 0.01, doc: 'deviation of what is added to the features; scores grow with it alike, so it orders nothing' }), // prettier-ignore
  },
  make: ({ noise }) => ({ of: asked => taylorScores(asked, { of: againstDisturbed(noise, asked.context.rng.fork('disturbance')) }) }),
})
