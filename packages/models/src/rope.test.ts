import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { parseRope, rotations, type Rope } from './rope.js'

const of = (scaling: Readonly<Record<string, unknown>>): Rope =>
  parseRope({ rope_theta: 1e4, ...scaling }, { theta: 1e4, contextLength: 128 })
const SHORT = [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]
const LONG = [2, 3, 4, 5, 6, 7, 8, 9]
const YARN = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 32 }
const LONGROPE = { type: 'longrope', short_factor: SHORT, long_factor: LONG, original_max_position_embeddings: 32 }
const DYNAMIC = { type: 'dynamic', factor: 2 }

// Radians a position and factor that transformers 5.18 computes for a head of 16, θ = 10000 and a context of 128.
const WANTED: readonly (readonly [string, Rope, number, readonly number[], number])[] = [
  ['yarn', of(YARN), 64, [1, 0.19764235615730286, 0.02500000037252903, 0.007905694656074047], 1.138629436111989],
  [
    'yarn between whole pairs, with two scales',
    of({ ...YARN, truncate: false, beta_fast: 16, mscale: 1, mscale_all_dim: 0.8 }),
    ...([64, [1, 0.14849025011062622, 0.02500000037252903], 1.0249579607969668] as const),
  ],
  ['dynamic within the context', of(DYNAMIC), 128, [1, 0.31622776, 0.1], 1],
  ['dynamic beyond it', of(DYNAMIC), 200, [1, 0.28394514322280884, 0.08062484115362167], 1],
  ['longrope within the original context', of(LONGROPE), 32, [1, 0.28747978728803447, 0.08333333333], 1.1832159566199232],
  ['longrope beyond it', of(LONGROPE), 33, [0.5, 0.10540924966335297, 0.02500000037252903], 1.1832159566199232],
]

it.each(WANTED)('turns the first positions as transformers does with %s', async (_, rope, length, frequencies, factor) => {
  const { cos, sin } = rotations(rope, 16)(0, length)
  const [cosines, sines] = [await cos.data(), await sin.data()]
  frequencies.forEach((frequency, pair) => {
    expect(cosines[8 + pair]).toBeCloseTo(factor * Math.cos(frequency), 6)
    expect(sines[8 + pair]).toBeCloseTo(factor * Math.sin(frequency), 6)
  })
})

it.each(WANTED)('gives a position in a tensor what it has on the host, with %s', async (_, rope) => {
  for (const position of [0, 31, 32, 127, 150]) {
    const onHost = rotations(rope, 16)(position, 1)
    const inGraph = rotations(rope, 16)(0, 1, tf.tensor1d([position], 'int32'))
    for (const part of ['cos', 'sin'] as const)
      expect([...(await inGraph[part].data())]).toEqual([...(await onHost[part].data())].map(value => expect.closeTo(value, 4) as number))
  }
})
