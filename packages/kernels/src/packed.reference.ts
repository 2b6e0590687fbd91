import { unpackBits } from '@tersor/tensor'
import type { PackedMatrix } from './packed-matrix.js'

/** The matrix in full, (rows, columns). */
export const unpacked = ({ rows, columns, bits, group, codes, scales, zeros }: PackedMatrix): Float64Array => {
  const values = new Float64Array(rows * columns)
  const all = unpackBits(codes, bits, rows * columns)
  const groups = Math.ceil(columns / group)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = row * groups + Math.floor(column / group)
      values[row * columns + column] = scales[at] * (all[row * columns + column] - (zeros ? zeros[at] : 2 ** (bits - 1)))
    }
  }
  return values
}

/** x · Wᵀ in plain loops. */
export const multiplied = (x: Float32Array, w: Float64Array, columns: number): number[] => {
  const [count, rows] = [x.length / columns, w.length / columns]
  const y: number[] = []
  for (let m = 0; m < count; m++) {
    for (let n = 0; n < rows; n++) {
      let sum = 0
      for (let k = 0; k < columns; k++) sum += x[m * columns + k] * w[n * columns + k]
      y.push(sum)
    }
  }
  return y
}
