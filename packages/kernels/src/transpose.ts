/** (rows, columns) → (columns, rows), in tiles that stay in cache. */
export const transpose = <T extends Float32Array | Uint8Array>(matrix: T, rows: number, columns: number): T => {
  const result = new (matrix.constructor as new (length: number) => T)(matrix.length)
  const tile = 32
  for (let r0 = 0; r0 < rows; r0 += tile) {
    const r1 = Math.min(r0 + tile, rows)
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const c1 = Math.min(c0 + tile, columns)
      for (let c = c0; c < c1; c++)
        for (let r = r0, from = r0 * columns + c; r < r1; r++, from += columns) result[c * rows + r] = matrix[from]
    }
  }
  return result
}
