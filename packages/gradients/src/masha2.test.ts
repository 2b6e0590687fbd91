import { createRng } from '@tersor/core'
import { together } from './collective/together.js'
import type { SaddleProblem } from './define-solver.js'
import { extragradient } from './extragradient.js'
import { masha2 } from './masha2.js'
import { plain } from './plain.js'
import { qsgd } from './qsgd.js'
import { ONE, solved, type Make } from './saddle-points.fixture.js'
import { topK } from './top-k.js'

it('is extragradient where nothing is left out and the anchor always moves: (0.25, 1.25) of x y', async () => {
  const [z] = await together(1, peers => masha2(peers, { codec: plain(), rate: 0.5, refresh: 1 }).solve(ONE))
  expect([...z]).toEqual([0.25, 1.25])
  const exact = await solved(peers => extragradient(peers, { rate: 0.3 }), 10)
  const same = await solved(peers => masha2(peers, { codec: plain(), rate: 0.3, refresh: 1 }), 10)
  expect(Math.abs(same.distance - exact.distance)).toBeLessThan(1e-5)
})

it('comes to the saddle point of workers that differ, with top-k', async () => {
  const { distance } = await solved(peers => masha2(peers, { codec: topK({ density: 0.4 }), rate: 0.5, refresh: 0.3 }), 400)
  expect(distance).toBeLessThan(1e-4)
})

it('counts a message and a byte up, and a sum where the anchor moves', async () => {
  const make: Make = peers => masha2(peers, { codec: topK({ density: 0.1 }), rate: 0.1, refresh: 1 })
  const [one, three] = [await solved(make, 1), await solved(make, 3)]
  // two messages of two numbers and places, and two sums of 20 numbers around a ring of four
  expect(three.sent - one.sent).toBe(2 * (1 + 2 * 8) + 2 * (6 / 4) * 4 * 20)
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

it('refuses a codec of the wrong kind', () => {
  // @ts-expect-error it needs one that is contractive
  expect(() => masha2({ rank: 0, size: 1 } as never, { codec: qsgd(), rate: 1, refresh: 1 })).toThrow('masha2 got qsgd(bits=4, block=512), which is unbiased.') // prettier-ignore
})
