import type { Coupling } from '@tersor/core'
import { selectUnits, type Share } from './selection.js'

const coupling = (name: string, units: number, more: Partial<Coupling> = {}): Coupling => ({
  name,
  kind: 'neurons',
  units,
  members: [],
  ...more,
})
const select = (couplings: readonly Coupling[], scores: readonly (readonly number[])[], share: Partial<Share>) =>
  Object.fromEntries(
    selectUnits(
      couplings,
      scores.map(each => Float64Array.from(each)),
      { keep: 0.5, among: 'coupling', multiple: 1, ...share },
    ),
  )

it('keeps the largest of each coupling, in their order; of equal ones the first', () => {
  expect(select([coupling('a', 4), coupling('b', 3)], [[1, 4, 3, 2], [5, 5, 5]], { keep: 0.67 })).toEqual({ a: [1, 2], b: [0, 1] }) // prettier-ignore
})

it.each([
  [10, 0.7, 7],
  [3, 0.01, 1],
  [8, 0.99, 7],
])('keeps of %i units the share %f: %i', (units, keep, count) => {
  const { a } = select([coupling('a', units)], [Array.from({ length: units }, (_, i) => i)], { keep })
  expect(a).toHaveLength(count)
})

it('keeps multiples, and as many as there must be', () => {
  expect(select([coupling('a', 8)], [[8, 7, 6, 5, 4, 3, 2, 1]], { keep: 0.9, multiple: 4 }).a).toEqual([0, 1, 2, 3])
  expect(select([coupling('a', 4, { kind: 'experts', least: 2 })], [[1, 2, 3, 4]], { keep: 0.25 }).a).toEqual([2, 3])
})

it('keeps as many of every group, each by its own scores', () => {
  const queries = coupling('q', 6, { kind: 'queries', perGroup: 3 })
  expect(select([queries], [[9, 1, 8, 3, 2, 1]], { keep: 0.67 }).q).toEqual([0, 2, 3, 4])
})

it('compares blocks with each other where it is told to, each divided by its mean', () => {
  // means 2 and 20: relative scores .5 1 1.5 and .05 .5 2.45: three of six stay
  const scores = [[1, 2, 3], [1, 10, 49]] // prettier-ignore
  expect(select([coupling('a', 3), coupling('b', 3)], scores, { among: 'kind' })).toEqual({ a: [1, 2], b: [2] })
})

it('leaves every coupling a unit, however small its scores', () => {
  expect(select([coupling('a', 2), coupling('b', 2)], [[0, 0], [1, 1]], { among: 'kind' })).toEqual({ a: [0], b: [0, 1] }) // prettier-ignore
})

it('compares them by how far they are above their mean, in deviations', () => {
  // means 2 and 20, deviations .816 and 20.8: −1.22 0 1.22 and −.91 −.48 1.39; three of six stay: 0, 1.22 and 1.39
  const scores = [[1, 2, 3], [1, 10, 49]] // prettier-ignore
  expect(select([coupling('a', 3), coupling('b', 3)], scores, { among: 'kind', normaliser: 'gaussian' })).toEqual({ a: [1, 2], b: [2] })
  // by means .97 1 1.03 all beat .05 and .5; by deviations −1.22 0 1.22 do not beat −.48
  const even = [[97, 100, 103], [1, 10, 49]] // prettier-ignore
  expect(select([coupling('a', 3), coupling('b', 3)], even, { keep: 0.6, among: 'kind' })).toEqual({ a: [0, 1, 2], b: [2] })
  expect(select([coupling('a', 3), coupling('b', 3)], even, { keep: 0.6, among: 'kind', normaliser: 'gaussian' })).toEqual({ a: [1, 2], b: [1, 2] }) // prettier-ignore
  expect(select([coupling('a', 2)], [[5, 5]], { among: 'kind', normaliser: 'gaussian' })).toEqual({ a: [0, 1] })
})

it('compares scores of blocks as they are where they say the same', () => {
  const scores = [[1, 2, 3], [1, 10, 49]] // prettier-ignore
  expect(select([coupling('a', 3), coupling('b', 3)], scores, { among: 'kind', comparable: true })).toEqual({ a: [2], b: [1, 2] })
})

it('keeps those that are gone out of means and behind all others', () => {
  // means 2 and 20 without the first ones: relative scores −, 1.5, .5 and −, .5, 1.5: half of six stay, of equal scores all
  const scores = [[-Infinity, 3, 1], [-Infinity, 10, 30]] // prettier-ignore
  expect(select([coupling('a', 3), coupling('b', 3)], scores, { among: 'kind', keep: 0.33 })).toEqual({ a: [1], b: [2] })
  expect(select([coupling('a', 3)], [[-Infinity, 0, -Infinity]], { keep: 0.34 })).toEqual({ a: [1] })
})
