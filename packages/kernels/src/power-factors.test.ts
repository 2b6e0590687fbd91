import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { powerFactors } from './power-factors.js'
import { svd } from './svd.js'

const rng = (seed: number) => {
  let state = seed
  return { uniform: () => (state = (state * 16807) % 2147483647) / 2147483647 }
}
const x = (matrices: number, lines: number, columns: number): tf.Tensor3D =>
  tf.tensor3d(Float32Array.from({ length: matrices * lines * columns }, (_, i) => Math.sin(i * i) + 2 * Math.cos(i)), [matrices, lines, columns]) // prettier-ignore

const far = (a: tf.Tensor3D, rank: number, seed = 3): number => {
  const { u, v } = powerFactors(a, rank, { rng: rng(seed) })
  const error = tf.tidy(() => tf.norm(tf.sub(a, tf.matMul(u, v))).dataSync()[0])
  tf.dispose([u, v])
  return error
}

describe.each(['cpu', 'ort'])('factors on %s', engine => {
  beforeAll(async () => void expect(await tf.setBackend(engine)).toBe(true))

  it('are the leading ones, or nearly', async () => {
    const before = tf.memory().numTensors
    const a = x(1, 20, 12)
    const { s } = await svd(a.dataSync(), 20, 12)
    const best = Math.hypot(...s.slice(3))
    expect(far(a, 3)).toBeLessThan(1.1 * best)
    expect(far(a, 3)).toBeGreaterThanOrEqual(best * (1 - 1e-5))
    a.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it('are exact at full rank, of thin matrices and of those of smaller rank', () => {
    for (const a of [x(2, 4, 9), x(2, 9, 4)]) {
      expect(far(a, 12)).toBeLessThan(1e-4)
      a.dispose()
    }
    const thin = tf.tidy(() => tf.matMul(x(2, 10, 2), x(2, 2, 8)) as tf.Tensor3D)
    expect(far(thin, 5)).toBeLessThan(1e-3)
    thin.dispose()
    const nothing = tf.zeros([1, 4, 4])
    expect(far(nothing as tf.Tensor3D, 2)).toBe(0)
    nothing.dispose()
  })

  it('are the same for the same numbers', () => {
    const a = x(2, 8, 8)
    const [first, second] = [powerFactors(a, 2, { rng: rng(5) }), powerFactors(a, 2, { rng: rng(5) })]
    expect(first.v.dataSync()).toEqual(second.v.dataSync())
    tf.dispose([a, first.u, first.v, second.u, second.v])
  })
})
