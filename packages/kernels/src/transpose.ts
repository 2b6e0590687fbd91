/** (rows, columns) → (columns, rows), in tiles that stay in cache. */
export const transpose = <T extends Float32Array | Uint8Array>(matrix: T, rows: number, columns: number): T => {
  const result = matrix.slice() as T
  const tile = 32
  for (let r0 = 0; r0 < rows; r0 += tile) {
    for (let c0 = 0; c0 < columns; c0 += tile) {
      for (let r = r0; r < Math.min(r0 + tile, rows); r++) {
        for (let c = c0; c < Math.min(c0 + tile, columns); c++) result[c * rows + r] = matrix[r * columns + c]
      }
    }
  }
  return result
}
