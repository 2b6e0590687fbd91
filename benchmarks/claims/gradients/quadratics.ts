/** Workers whose quadratics pull to different places: where exchanges with a constant step come to rest. */
import * as tf from '@tensorflow/tfjs-core'
import { createRng, fit, sgd, type Exchange } from '@tersor/core'
import { eControl, ef21, errorFeedback, together, topK, type Collective } from '@tersor/gradients'
import type { Claim, Side } from '../training/claim.js'

const WORKERS = 3
const SIDE = 40
const STEPS = 2500
const RATES = [0.1, 0.03, 0.01]
const codec = topK({ density: 0.1 })

/** ½ Σ aᵢ (x − cᵢ)² of each worker; the centres are such that the optimum of all is 0, where floats are fine. */
const problems = () => {
  const n = SIDE * SIDE
  const drawn = Array.from({ length: WORKERS }, (_, worker) => {
    const rng = createRng(worker + 20)
    return {
      scale: Float32Array.from({ length: n }, () => 0.5 + rng.uniform()),
      centre: Float32Array.from({ length: n }, () => rng.normal()),
    }
  })
  const last = drawn[WORKERS - 1]
  last.centre.forEach((_, i) => {
    const others = drawn.slice(0, -1).reduce((sum, { scale, centre }) => sum + scale[i] * centre[i], 0)
    last.centre[i] = -others / last.scale[i]
  })
  return drawn
}

/** The mean squared distance from the optimum. */
const restOf = async (make: (peers: Collective) => Exchange, rate: number): Promise<number> => {
  const all = problems()
  const found = await together(WORKERS, async peers => {
    const variable = tf.tidy(() => tf.variable(tf.ones([SIDE, SIDE])))
    const { scale, centre } = all[peers.rank]
    await fit({
      ...{
        trained: [{ name: 'x', variable }],
        steps: STEPS,
        transform: sgd({ learningRate: rate }),
        rng: createRng(1),
        exchange: make(peers),
      },
      data: () => ({ scale: tf.tensor2d(scale, [SIDE, SIDE]), centre: tf.tensor2d(centre, [SIDE, SIDE]) }),
      loss: batch => tf.mul(0.5, tf.sum(tf.mul(batch.scale, tf.square(tf.sub(variable, batch.centre))))) as tf.Scalar,
    })
    const values = await variable.data<'float32'>()
    variable.dispose()
    return values.reduce((sum, value) => sum + value * value, 0) / values.length
  })
  return found[0]
}

const side = (name: string, make: (peers: Collective) => Exchange): Side => ({
  name,
  fixed: true,
  measure: async () => Object.fromEntries(await Promise.all(RATES.map(async rate => [`at ${rate}`, await restOf(make, rate)] as const))),
})

const DISTANCE = { better: 'lower', digits: 4, tie: 0 } as const

export const QUADRATICS: readonly Claim[] = [
  {
    name: 'quadratics',
    says: 'three workers that pull to different places, top-k of a tenth, three constant steps: EF21 and EControl come to rest below 1e-10 of mean squared distance, error feedback as far off as its step is long', // prettier-ignore
    figures: Object.fromEntries(RATES.map(rate => [`at ${rate}`, DISTANCE])),
    sides: () => [
      side('error feedback', peers => errorFeedback(peers, { codec })),
      side('EF21', peers => ef21(peers, { codec })),
      side('EControl', peers => eControl(peers, { codec, control: 0.05 })),
    ],
    orders: RATES.flatMap(rate => [
      { figure: `at ${rate}`, first: 'EF21', than: 1e-10 },
      { figure: `at ${rate}`, first: 'EControl', than: 1e-10 },
      { figure: `at ${rate}`, first: 'EF21', than: 'error feedback' },
    ]),
  },
]
