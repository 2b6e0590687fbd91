import { leastSquares } from './least-squares.js'

it('fits a line through (0, 1), (1, 2), (2, 4): 5/6 + 3/2 x', () => {
  const [offset, slope] = leastSquares(Float64Array.of(1, 0, 1, 1, 1, 2), Float64Array.of(1, 2, 4))
  expect(offset).toBeCloseTo(5 / 6, 12)
  expect(slope).toBeCloseTo(3 / 2, 12)
})

it('solves what can be solved, and is orthogonal to what it leaves', () => {
  let state = 3
  const next = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 31 - 1
  const [rows, columns] = [12, 7]
  const a = Float64Array.from({ length: rows * columns }, next)
  const x = Float64Array.from({ length: columns }, next)
  const times = (by: Float64Array) =>
    Float64Array.from({ length: rows }, (_, row) => by.reduce((sum, value, column) => sum + a[row * columns + column] * value, 0))
  expect(Math.max(...leastSquares(a, times(x)).map((value, i) => Math.abs(value - x[i])))).toBeLessThan(1e-12)
  const b = Float64Array.from({ length: rows }, next)
  const left = times(leastSquares(a, b)).map((value, row) => b[row] - value)
  for (let column = 0; column < columns; column++)
    expect(left.reduce((sum, value, row) => sum + value * a[row * columns + column], 0)).toBeCloseTo(0, 12)
})

it('refuses fewer rows than columns, and columns that depend on each other', () => {
  expect(() => leastSquares(new Float64Array(6), new Float64Array(2))).toThrow('leastSquares got 6 numbers for 2 rows.\nPass at least')
  expect(() => leastSquares(Float64Array.of(1, 2, 2, 4), Float64Array.of(1, 1))).toThrow('Column 1 of a least-squares problem depends')
})
