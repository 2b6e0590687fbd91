import { createRng } from './rng.js'

const draw = (seed: number, count: number) => {
  const rng = createRng(seed)
  return Array.from({ length: count }, () => rng.uniform())
}

it('repeats for one seed and differs for another', () => {
  expect(draw(1, 5)).toEqual(draw(1, 5))
  expect(draw(1, 5)).not.toEqual(draw(2, 5))
})

it('forks by label, however often others were asked', () => {
  const a = createRng(1)
  const b = createRng(1)
  b.uniform()
  expect(a.fork('x').uniform()).toBe(b.fork('x').uniform())
  expect(a.fork('x').uniform()).not.toBe(a.fork('y').uniform())
  expect(new Set(Array.from({ length: 1000 }, (_, i) => a.fork(`${i}`).seed)).size).toBe(1000)
})

it('is uniform, normal and whole as it says', () => {
  const rng = createRng(3)
  const uniform = Array.from({ length: 20000 }, () => rng.uniform())
  const normal = Array.from({ length: 20000 }, () => rng.normal())
  const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...uniform)).toBeLessThan(1)
  expect(mean(uniform)).toBeCloseTo(0.5, 1)
  expect(mean(normal)).toBeCloseTo(0, 1)
  expect(mean(normal.map(x => x * x))).toBeCloseTo(1, 1)
  const counts = [0, 0, 0]
  for (let i = 0; i < 3000; i++) counts[rng.integer(3)]++
  counts.forEach(count => expect(Math.abs(count - 1000)).toBeLessThan(120))
})
