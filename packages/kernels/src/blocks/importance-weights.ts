const { fround, sqrt } = Math

/** Σ x² as a float32 sum. */
export const sumOfSquares = (x: Float32Array, from: number, size: number): number => {
  let sum = 0
  for (let i = from; i < from + size; i++) sum = fround(sum + fround(x[i] * x[i]))
  return sum
}

/** weight = importance · √(spread + x²): large values count more, and none counts for nothing. Returns the sum of the weights. */
export const weigh = (
  x: Float32Array,
  from: number,
  importance: Float32Array,
  column: number,
  spread: number,
  size: number,
  weights: Float32Array,
): number => {
  let sum = 0
  for (let i = 0; i < size; i++) {
    const value = x[from + i]
    weights[i] = importance[column + i] * fround(sqrt(fround(spread + fround(value * value))))
    sum = fround(sum + weights[i])
  }
  return sum
}

/** Calls back with the place of each block of `weights.length` values, row by row, once `weights` holds how much each of them counts. */
export const eachWeighedBlock = (
  values: Float32Array,
  importance: Float32Array,
  weights: Float32Array,
  visit: (from: number, block: number) => void,
): void => {
  const [columns, size] = [importance.length, weights.length]
  for (let row = 0; row < values.length; row += columns) {
    const spread = fround(sumOfSquares(values, row, columns) / columns)
    for (let column = 0; column < columns; column += size) {
      weigh(values, row + column, importance, column, spread, size, weights)
      visit(row + column, (row + column) / size)
    }
  }
}
