import { createRng } from '@tersor/core'
import { together } from './collective/together.js'
import type { SaddleProblem } from './define-solver.js'
import { extragradient } from './extragradient.js'
import { masha1 } from './masha1.js'
import { plain } from './plain.js'
import { qsgd } from './qsgd.js'
import { ONE, solved } from './saddle-points.fixture.js'
import { sign } from './sign.js'
import { unbiasedRandomK } from './unbiased-random-k.js'

it('is extragradient where nothing is left out and the anchor always moves: (0.25, 1.25) of x y', async () => {
  const [z] = await together(1, peers => masha1(peers, { codec: plain(), rate: 0.5, refresh: 1 }).solve(ONE))
  expect([...z]).toEqual([0.25, 1.25])
  const exact = await solved(peers => extragradient(peers, { rate: 0.3 }), 10)
  const same = await solved(peers => masha1(peers, { codec: plain(), rate: 0.3, refresh: 1 }), 10)
  expect(Math.abs(same.distance - exact.distance)).toBeLessThan(1e-5)
})

it('comes to the saddle point of workers that differ, with random-k', async () => {
  const { distance } = await solved(peers => masha1(peers, { codec: unbiasedRandomK({ density: 0.5 }), rate: 0.5, refresh: 0.4 }), 400)
  expect(distance).toBeLessThan(1e-4)
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

it('refuses an anchor that never moves, and a codec of the wrong kind', () => {
  const peers = { rank: 0, size: 1 } as never
  expect(() => masha1(peers, { codec: qsgd(), rate: 1, refresh: 0 })).toThrow('masha1: a refresh of 0 never moves the anchor.\nPass a part')
  // @ts-expect-error it needs one that is unbiased
  expect(() => masha1(peers, { codec: sign(), rate: 1, refresh: 1 })).toThrow('masha1 got sign, which is contractive.')
})
