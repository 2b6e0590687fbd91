import { createRng } from '../run/rng.js'
import { evolve, type EvolveOptions } from './evolve.js'

const digits = Array.from({ length: 10 }, (_, digit) => digit)
const genes = { a: digits, b: digits, c: digits }
/** 9 at 3, 7 and 5, and less elsewhere. */
const near = ({ a, b, c }: { a: number; b: number; c: number }) => 9 - (a - 3) ** 2 - (b - 7) ** 2 - (c - 5) ** 2
const search = (more: Partial<EvolveOptions<typeof genes>> = {}) =>
  evolve({ genes, fitness: near, population: 12, generations: 30, rng: createRng(4), ...more })

it('finds the best of a thousand, sooner than by drawing', async () => {
  let asked = 0
  const [best] = await search({ fitness: genome => (asked++, near(genome)) })
  expect(best).toEqual({ genome: { a: 3, b: 7, c: 5 }, fitness: 9 })
  expect(asked).toBeLessThan(500)
})

it('gives the same for the same seed, each genome once, the best first', async () => {
  const [one, two] = [await search(), await search()]
  expect(one).toEqual(two)
  expect(one).toHaveLength(12)
  expect(new Set(one.map(({ genome }) => JSON.stringify(genome))).size).toBe(12)
  expect(one.map(({ fitness }) => fitness)).toEqual(one.map(({ fitness }) => fitness).sort((a, b) => b - a))
  expect(await search({ rng: createRng(5), generations: 1 })).not.toEqual(await search({ generations: 1 }))
})

it('keeps to what is accepted, and ends where a space is used up', async () => {
  const even = await search({ accepts: ({ a, b, c }) => (a + b + c) % 2 === 0 })
  expect(even.every(({ genome: { a, b, c } }) => (a + b + c) % 2 === 0)).toBe(true)
  const two = await evolve({ genes: { a: [0, 1] }, fitness: ({ a }) => a, population: 8, rng: createRng(1) })
  expect(two.map(({ genome }) => genome.a)).toEqual([1, 0])
})

it('waits for a fitness, and stops between two', async () => {
  expect((await search({ fitness: async genome => near(genome) }))[0].fitness).toBe(9)
  const controller = new AbortController()
  let asked = 0
  const fitness = (genome: { a: number; b: number; c: number }) => {
    if (++asked === 20) controller.abort(new Error('enough'))
    return near(genome)
  }
  await expect(search({ fitness, signal: controller.signal })).rejects.toThrow('enough')
  expect(asked).toBe(20)
})

it('says what is wrong', async () => {
  await expect(search({ genes: { ...genes, b: [] } })).rejects.toThrow(
    'evolve: the gene "b" has no values.\nGive each gene the values that it may take.',
  )
  await expect(evolve({ genes: {}, fitness: () => 0, rng: createRng(1) })).rejects.toThrow('evolve: there are no genes.')
  await expect(search({ population: 1 })).rejects.toThrow('evolve: population is 1.\nPass an integer of at least 2.')
  await expect(search({ generations: 0.5 })).rejects.toThrow('evolve: generations is 0.5.')
  await expect(search({ crossover: 2 })).rejects.toThrow('evolve: crossover is 2.\nPass a number from 0 to 1.')
  await expect(search({ accepts: () => false })).rejects.toThrow('evolve found no genome that is accepted in 2400 tries.')
  await expect(search({ fitness: () => NaN })).rejects.toMatchObject({ code: 'NOT_FINITE' })
})
