import { inverseCholeskyUpper } from '@tersor/kernels'

/** Without any energy all channels are alike. */
const positive = (value: number): number => (value > 0 ? value : 1)

/**
 * What ridge regression from all channels leaves of each: 1 − score = λ · diag((C + λI)⁻¹), where the score is diag(C(C + λI)⁻¹); (n).
 * C: (n, n), used up. What is left is kept, not the score, which is 1 within rounding wherever C is large.
 */
export const unpredicted = async (moments: Float32Array, n: number, lambda: number): Promise<Float64Array> => {
  for (let i = 0; i < n; i++) moments[i * n + i] += lambda
  const factor = await inverseCholeskyUpper(moments, n) // (C + λI)⁻¹ = Uᵀ · U
  const left = new Float64Array(n)
  for (let row = 0; row < n; row++) for (let column = row; column < n; column++) left[column] += factor[row * n + column] ** 2
  return left.map(sum => sum * lambda)
}

/** λ as a part of the mean square of the channels; C: (n, n). */
export const ridgeOf = (moments: Float32Array, n: number, part: number): number => {
  let trace = 0
  for (let i = 0; i < n; i++) trace += moments[i * n + i]
  return part * positive(trace / n)
}

/** Units of each group, those with the least left first; of equal ones the first. */
export const bestFirst = (left: ArrayLike<number>, perGroup: number): readonly number[] =>
  Array.from({ length: left.length / perGroup }, (_, group) =>
    Array.from({ length: perGroup }, (_, unit) => group * perGroup + unit).sort((a, b) => left[a] - left[b] || a - b),
  ).flat()
