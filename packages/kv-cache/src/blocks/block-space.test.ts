import { blockSpace, runsOf, type BlockRun } from './block-space.js'

const places = (runs: readonly BlockRun[]): number[] => runs.flatMap(({ from, count }) => Array.from({ length: count }, (_, i) => from + i))

it('takes the smallest run that fits, grows at the end, and splits where neither is', () => {
  const space = blockSpace(10)
  expect(space.take(3)).toEqual([{ from: 0, count: 3 }])
  expect(space.take(2)).toEqual([{ from: 3, count: 2 }])
  expect(space.take(4)).toEqual([{ from: 5, count: 4 }])
  space.free([0, 1, 2, 5, 6])
  expect(space.take(2)).toEqual([{ from: 5, count: 2 }]) // not of the three
  space.free([5, 6])
  expect(space.take(5)).toEqual([{ from: 0, count: 3 }, { from: 5, count: 2 }]) // prettier-ignore
  expect([space.used, space.size]).toEqual([9, 9])
  expect(() => space.take(2)).toThrow('There is no room for 2 more blocks among 10.\nAllow more')
  space.free([3, 4])
  expect(space.take(3)).toEqual([{ from: 3, count: 2 }, { from: 9, count: 1 }]) // prettier-ignore
})

it('joins runs that touch, in any order', () => {
  const space = blockSpace(8)
  space.take(8)
  for (const block of [3, 5, 4, 1, 2]) space.free([block])
  expect(space.take(5)).toEqual([{ from: 1, count: 5 }])
  expect(runsOf([1, 2, 4, 7, 8])).toEqual([{ from: 1, count: 2 }, { from: 4, count: 1 }, { from: 7, count: 2 }]) // prettier-ignore
})

it('keeps runs apart and counts them, whatever is taken and given back', () => {
  const space = blockSpace(64)
  const held: number[][] = []
  let state = 5
  const next = (below: number): number => Math.floor(((state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32) * below)
  for (let round = 0; round < 500; round++) {
    if (next(2) === 0 && held.length > 0) space.free(held.splice(next(held.length), 1)[0])
    else {
      const count = next(9)
      if (count > 64 - space.used) continue
      const runs = space.take(count)
      expect(runs.length).toBeLessThanOrEqual(Math.max(0, count))
      held.push(places(runs))
    }
    const all = held.flat()
    expect([new Set(all).size, space.used]).toEqual([all.length, all.length])
    expect(all.every(place => place < 64)).toBe(true)
  }
})
