import { together } from './collective/together.js'
import { extragradient } from './extragradient.js'
import { ONE, solved } from './saddle-points.fixture.js'

it('goes from (1, 1) by half a step of x y to (0.25, 1.25), whose squared norm is 1.625', async () => {
  const [z] = await together(1, peers => extragradient(peers, { rate: 0.5 }).solve(ONE))
  expect([...z]).toEqual([0.25, 1.25])
  expect(z.reduce((sum, value) => sum + value * value, 0)).toBe(1.625)
})

it('comes to the saddle point of workers that differ, with two sums around a ring of four a step', async () => {
  const [few, many] = [
    await solved(peers => extragradient(peers, { rate: 0.5 }), 1),
    await solved(peers => extragradient(peers, { rate: 0.5 }), 300),
  ]
  expect(many.distance).toBeLessThan(1e-4)
  expect(many.sent - few.sent).toBe(299 * 2 * (6 / 4) * 4 * 20)
})

it('tells all whose operator is no number', async () => {
  const told: string[] = []
  await together(2, peers => {
    const operator = (z: Float32Array) => z.map(value => (peers.rank === 1 ? NaN : value))
    return extragradient(peers, { rate: 1 }).solve({ ...ONE, operator }).catch((error: Error) => void told.push(error.message)) // prettier-ignore
  })
  expect(told).toEqual(Array.from({ length: 2 }, () => 'In step 1 the operator is no number on worker 1.\nTake a smaller rate, or look at the data of that worker.')) // prettier-ignore
})

it('stops where it is told to, and refuses workers that differ, and steps that are none', async () => {
  const controller = new AbortController()
  const onStep = (): void => controller.abort(new Error('stopped'))
  const stopping = together(1, peers => extragradient(peers, { rate: 1 }).solve({ ...ONE, steps: 5, onStep, signal: controller.signal }))
  await expect(stopping).rejects.toThrow('stopped')
  const differing = together(2, peers => extragradient(peers, { rate: 1 + peers.rank }).solve(ONE))
  await expect(differing).rejects.toMatchObject({ code: 'PEERS_DIFFER' })
  const peers = { rank: 0, size: 1 } as never
  await expect(extragradient(peers, { rate: 1 }).solve({ ...ONE, steps: 0 })).rejects.toThrow('extragradient got 0 steps.\nPass a positive')
})
