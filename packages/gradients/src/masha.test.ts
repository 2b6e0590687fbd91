import { createRng } from '@tersor/core'
import { together } from './collective/together.js'
import type { Collective } from './collective/collective.js'
import type { SaddleProblem, Solver } from './define-solver.js'
import { extragradient } from './extragradient.js'
import { masha1 } from './masha1.js'
import { masha2 } from './masha2.js'
import { plain } from './plain.js'
import { qsgd } from './qsgd.js'
import { sign } from './sign.js'
import { topK } from './top-k.js'
import { unbiasedRandomK } from './unbiased-random-k.js'

type Make = (peers: Collective) => Solver

/** f = x y. */
const product = ([x, y]: Float32Array): Float32Array => Float32Array.of(y, -x)
const ONE: SaddleProblem = { operator: product, start: Float32Array.of(1, 1), steps: 1, rng: createRng(1) }

it.each<readonly [string, Make]>([
  ['extragradient', peers => extragradient(peers, { rate: 0.5 })],
  ['masha1', peers => masha1(peers, { codec: plain(), rate: 0.5, refresh: 1 })],
  ['masha2', peers => masha2(peers, { codec: plain(), rate: 0.5, refresh: 1 })],
])('%s goes from (1, 1) by half a step of x y to (0.25, 1.25), whose squared norm is 1.625', async (_name, make) => {
  const [z] = await together(1, peers => make(peers).solve(ONE))
  expect([...z]).toEqual([0.25, 1.25])
  expect(z.reduce((sum, value) => sum + value * value, 0)).toBe(1.625)
})

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
const solved = async (make: Make, steps: number, seed = 5) => {
  const operators = games()
  const found = await together(DEVICES, async peers => {
    const z = await make(peers).solve({ operator: operators[peers.rank], start: new Float32Array(2 * HALF).fill(1), steps, rng: createRng(seed) }) // prettier-ignore
    return { z, sent: peers.traffic.sent }
  })
  for (const { z } of found) expect(z).toEqual(found[0].z)
  return { distance: Math.sqrt(found[0].z.reduce((sum, value) => sum + value * value, 0)), sent: found[1].sent }
}

it('is extragradient where nothing is left out and the anchor always moves', async () => {
  const exact = await solved(peers => extragradient(peers, { rate: 0.3 }), 10)
  for (const solver of [masha1, masha2]) {
    const same = await solved(peers => solver(peers, { codec: plain(), rate: 0.3, refresh: 1 }), 10)
    expect(Math.abs(same.distance - exact.distance)).toBeLessThan(1e-5)
  }
})

it.each<readonly [string, Make]>([
  ['masha1 with random-k', peers => masha1(peers, { codec: unbiasedRandomK({ density: 0.2 }), rate: 0.2, refresh: 0.2 })],
  ['masha2 with top-k', peers => masha2(peers, { codec: topK({ density: 0.2 }), rate: 0.3, refresh: 0.2 })],
])('%s comes to the saddle point of workers that differ', async (_name, make) => {
  expect((await solved(make, 1500)).distance).toBeLessThan(1e-4)
})

it('counts a message and a byte up, and a sum where the anchor moves', async () => {
  const make: Make = peers => masha2(peers, { codec: topK({ density: 0.1 }), rate: 0.1, refresh: 1 })
  const [one, three] = [await solved(make, 1), await solved(make, 3)]
  // two messages of two numbers and places, and two sums of 20 numbers around a ring of four
  expect(three.sent - one.sent).toBe(2 * (1 + 2 * 8) + 2 * (6 / 4) * 4 * 20)
})

it('asks for the anchor’s operator anew where it depends on the step, and projects both points', async () => {
  const asked: (readonly [number, number])[] = []
  const operator = (z: Float32Array, step: number) => (asked.push([z[0], step]), Float32Array.of(z[0]))
  const project = (z: Float32Array): void => void (z[0] = Math.max(0.9, z[0]))
  const problem: SaddleProblem = { operator, project, start: Float32Array.of(1), steps: 2, rng: createRng(1) }
  const [z] = await together(1, peers => masha1(peers, { codec: plain(), rate: 0.5, refresh: 0.001, batches: true }).solve(problem))
  expect(asked.map(([value, step]) => [Math.round(10 * value) / 10, step])).toEqual([[1, 0], [0.9, 0], [1, 0], [0.9, 1], [1, 1]]) // prettier-ignore
  expect(z[0]).toBeCloseTo(0.9, 6)
})

it.each([1, 2])('tells all workers whose operator is no number, in the messages of step %d and in sums', async bad => {
  for (const refresh of [0.001, 1]) {
    const told: string[] = []
    await together(3, peers => {
      const operator = (z: Float32Array, step: number) => z.map(value => (peers.rank === bad && step === 1 ? NaN : value))
      const problem: SaddleProblem = { operator, start: Float32Array.of(1, 2), steps: 4, rng: createRng(1) }
      return masha2(peers, { codec: plain(), rate: 0.1, refresh }).solve(problem).catch((error: Error) => void told.push(error.message)) // prettier-ignore
    })
    expect(told).toEqual(Array.from({ length: 3 }, () => `In step 2 the operator is no number on worker ${bad}.\nTake a smaller rate, or look at the data of that worker.`)) // prettier-ignore
  }
})

it('stops where it is told to, and refuses workers that differ, steps and options that are none, and codecs of the wrong kind', async () => {
  const controller = new AbortController()
  const onStep = (): void => controller.abort(new Error('stopped'))
  const stopping = together(1, peers => extragradient(peers, { rate: 1 }).solve({ ...ONE, steps: 5, onStep, signal: controller.signal }))
  await expect(stopping).rejects.toThrow('stopped')
  const differing = together(2, peers => extragradient(peers, { rate: 1 + peers.rank }).solve(ONE))
  await expect(differing).rejects.toMatchObject({ code: 'PEERS_DIFFER' })
  const peers = { rank: 0, size: 1 } as never
  await expect(extragradient(peers, { rate: 1 }).solve({ ...ONE, steps: 0 })).rejects.toThrow('extragradient got 0 steps.\nPass a positive')
  expect(() => masha1(peers, { codec: qsgd(), rate: 1, refresh: 0 })).toThrow('masha1: a refresh of 0 never moves the anchor.\nPass a part')
  // @ts-expect-error it needs one that is unbiased
  expect(() => masha1(peers, { codec: sign(), rate: 1, refresh: 1 })).toThrow('masha1 got sign, which is contractive.')
  // @ts-expect-error it needs one that is contractive
  expect(() => masha2(peers, { codec: qsgd(), rate: 1, refresh: 1 })).toThrow('masha2 got qsgd(bits=4, block=512), which is unbiased.')
})
