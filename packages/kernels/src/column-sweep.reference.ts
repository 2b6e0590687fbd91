/** Optimal brain surgeon in plain loops and doubles: no Cholesky factor, no blocks. Rows of a weight, inputs as rows. */

/** Gauss-Jordan inverse. */
export const inverse = (matrix: readonly (readonly number[])[]): number[][] => {
  const n = matrix.length
  const work = matrix.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))])
  for (let i = 0; i < n; i++) {
    const pivot = work[i][i]
    for (let j = 0; j < 2 * n; j++) work[i][j] /= pivot
    for (let r = 0; r < n; r++) {
      const factor = work[r][i]
      if (r !== i) for (let j = 0; j < 2 * n; j++) work[r][j] -= factor * work[i][j]
    }
  }
  return work.map(row => row.slice(n))
}

/** XᵀX + damping · mean(diagonal) · I. */
export const dampedMoment = (inputs: readonly (readonly number[])[], damping: number): number[][] => {
  const n = inputs[0].length
  const moment = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => inputs.reduce((sum, x) => sum + x[i] * x[j], 0)))
  const mean = moment.reduce((sum, row, i) => sum + row[i], 0) / n
  return moment.map((row, i) => row.map((value, j) => (i === j ? value + damping * mean : value)))
}

/** [H⁻¹]_jj once all columns before j are fixed, which is U_jj². */
export const eliminatedDiagonal = (hessian: readonly (readonly number[])[]): number[] => {
  const left = inverse(hessian)
  return left.map((_, j) => eliminate(left, j))
}

/** Takes column j out of H⁻¹ and gives what its diagonal was. */
const eliminate = (left: number[][], j: number): number => {
  const diagonal = left[j][j]
  const row = [...left[j]]
  const column = left.map(r => r[j])
  for (let r = 0; r < left.length; r++) for (let c = 0; c < left.length; c++) left[r][c] -= (column[r] * row[c]) / diagonal
  return diagonal
}

/** Goes through the columns; compress gives what an entry becomes, from its row's current weights. */
export const sweepReference = (
  weight: readonly (readonly number[])[],
  hessian: readonly (readonly number[])[],
  compress: (row: number, column: number, current: readonly number[]) => number,
): number[][] => {
  const current = weight.map(row => [...row])
  const left = inverse(hessian)
  for (let j = 0; j < hessian.length; j++) {
    const factors = [...left[j]]
    const diagonal = eliminate(left, j)
    current.forEach((row, r) => {
      const value = compress(r, j, row)
      const error = (row[j] - value) / diagonal
      for (let k = j + 1; k < row.length; k++) row[k] -= error * factors[k]
      row[j] = value
    })
  }
  return current
}
