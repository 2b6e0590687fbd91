import { queriesTimesRows, sharesTimesRows, softmaxOver } from './row-products.js'

const EXTENTS = [2, 2, 2] as const

it('multiplies queries with the entries of their row, by hand', () => {
  // row 0 has (1, 0) and (0, 2), row 1 has (1, 1) and (3, 0)
  const keys = Float32Array.of(1, 0, 0, 2, 1, 1, 3, 0)
  expect([...queriesTimesRows(Float32Array.of(5, 7, 2, 4), keys, EXTENTS, 1)]).toEqual([5, 14, 6, 6])
  expect([...queriesTimesRows(Float32Array.of(5, 7, 1, 0, 2, 4, 0, 1), keys, EXTENTS, 2)]).toEqual([5, 14, 1, 0, 6, 6, 1, 0])
})

it('mixes the entries of a row by shares, by hand', () => {
  const values = Float32Array.of(1, 0, 0, 2, 1, 1, 3, 0)
  expect([...sharesTimesRows(Float32Array.of(0.5, 0.5, 0.25, 0.75), values, EXTENTS, 1)]).toEqual([0.5, 1, 2.5, 0.25])
})

it('makes one softmax of spans that stand apart', () => {
  const spans = [Float32Array.of(Math.log(3) + 100, 100), Float32Array.of(100)]
  softmaxOver(spans)
  expect(spans.flatMap(span => [...span]).map(share => Number(share.toFixed(5)))).toEqual([0.6, 0.2, 0.2])
})
