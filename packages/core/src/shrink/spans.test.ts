import type { Coupling, Span } from '@tersor/core'
import { keptAlong, unitsAlong, type Cut } from './spans.js'

const span = (more: Partial<Span> = {}): Span => ({ parameter: 'w', axis: 0, ...more })
const cut = (units: number, kept: readonly number[], more: Partial<Span> = {}, coupling: Partial<Coupling> = {}): Cut => ({
  coupling: { name: 'c', kind: 'neurons', units, members: [], ...coupling },
  span: span(more),
  kept,
})
const along = (extent: number, ...cuts: readonly Cut[]) => [...keptAlong(extent, cuts)]

describe('units on an axis', () => {
  it('stand side by side, in repeats and behind a start', () => {
    expect([...unitsAlong(span(), 3, 3)]).toEqual([0, 1, 2])
    expect([...unitsAlong(span({ size: 2 }), 2, 4)]).toEqual([0, 0, 1, 1])
    expect([...unitsAlong(span({ start: 1, repeats: 2, stride: 3 }), 2, 7)]).toEqual([-1, 0, 1, -1, 0, 1, -1])
  })

  it('stay in the order that names them', () => {
    expect(along(4, cut(4, [3, 1]))).toEqual([3, 1])
    expect(along(6, cut(3, [2, 0], { size: 2 }))).toEqual([4, 5, 0, 1])
  })

  it('leave what stands beside them where it was: the values of a fused weight', () => {
    expect(along(6, cut(2, [1], { start: 4 }))).toEqual([0, 1, 2, 3, 5])
    expect(along(6, cut(2, [1]), cut(2, [0], { start: 2 }), cut(2, [1, 0], { start: 4 }))).toEqual([1, 2, 5, 4])
  })

  it('go from every repeat alike: the channels of each head', () => {
    expect(along(6, cut(3, [2, 0], { repeats: 2 }))).toEqual([2, 0, 5, 3])
  })

  it('stay within their groups', () => {
    expect(along(4, cut(4, [1, 3], {}, { perGroup: 2 }))).toEqual([1, 3])
    expect(along(4, cut(4, [3, 1], {}, { perGroup: 2 }))).toEqual([1, 3]) // groups are no other coupling's units to move
  })

  it('move with the coarser units that they stand in, in whatever order couplings come', () => {
    const heads = cut(2, [1, 0], { size: 4 }) // two key heads of two query heads of two channels
    const queries = cut(4, [1, 2], { size: 2 }, { perGroup: 2 })
    const sizes = cut(2, [1], { repeats: 4 })
    expect(along(8, heads, queries)).toEqual([4, 5, 2, 3])
    expect(along(8, sizes, queries, heads)).toEqual([5, 3])
    expect(along(8, cut(2, [1], { size: 4 }), queries)).toEqual([4, 5])
  })
})
