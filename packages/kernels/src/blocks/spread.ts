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
