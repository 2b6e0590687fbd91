import { createRng } from '@tersor/core'
import { together } from './collective/together.js'
import type { Collective } from './collective/collective.js'
import type { SaddleProblem, Solver } from './define-solver.js'

export type Make = (peers: Collective) => Solver

/** f = x y. */
const product = ([x, y]: Float32Array): Float32Array => Float32Array.of(y, -x)
export const ONE: SaddleProblem = { operator: product, start: Float32Array.of(1, 1), steps: 1, rng: createRng(1) }

const [HALF, DEVICES, REGULAR] = [10, 4, 0.1]
/** min over x, max over y of the mean of xᵀ Aₘ y + bₘ x + 0.05 ‖x‖² − 0.05 ‖y‖²: where b is 0 in the mean, (0, 0). */
const games = () => {
  const drawn = Array.from({ length: DEVICES }, (_, m) => {
    const rng = createRng(m + 3)
    return { a: Float32Array.from({ length: HALF * HALF }, () => rng.normal() / Math.sqrt(HALF)), b: Float32Array.from({ length: HALF }, () => rng.normal()) } // prettier-ignore
  })
  const mean = drawn[0].b.map((_, i) => drawn.reduce((sum, { b }) => sum + b[i], 0) / DEVICES)
  drawn.forEach(({ b }) => mean.forEach((value, i) => (b[i] -= value)))
  return drawn.map(({ a, b }) => (z: Float32Array): Float32Array => {
    const into = new Float32Array(2 * HALF)
    for (let i = 0; i < HALF; i++) {
      into[i] = b[i] + REGULAR * z[i]
      into[HALF + i] = REGULAR * z[HALF + i]
    }
    for (let i = 0; i < HALF; i++)
      for (let j = 0; j < HALF; j++) {
        into[i] += a[i * HALF + j] * z[HALF + j]
        into[HALF + j] -= a[i * HALF + j] * z[i]
      }
    return into
  })
}

/** The distance from the saddle point of all, and the bytes that worker 1 sent. */
export const solved = async (make: Make, steps: number, seed = 5) => {
  const operators = games()
  const found = await together(DEVICES, async peers => {
    const z = await make(peers).solve({ operator: operators[peers.rank], start: new Float32Array(2 * HALF).fill(1), steps, rng: createRng(seed) }) // prettier-ignore
    return { z, sent: peers.traffic.sent }
  })
  for (const { z } of found) expect(z).toEqual(found[0].z)
  return { distance: Math.sqrt(found[0].z.reduce((sum, value) => sum + value * value, 0)), sent: found[1].sent }
}
