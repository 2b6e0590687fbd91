/** Extents of exact entries in the memory of the host: rows, entries of each, and channels. */
export type RowExtents = readonly [rows: number, entries: number, size: number]

/** q · Kᵀ row by row, in plain loops: q (rows, count, size), keys (rows, entries, size), result (rows, count, entries). For few entries. */
export const queriesTimesRows = (q: Float32Array, keys: Float32Array, [rows, entries, size]: RowExtents, count: number): Float32Array => {
  const scores = new Float32Array(rows * count * entries)
  for (let line = 0, at = 0; line < rows * count; line++)
    for (let entry = 0; entry < entries; entry++, at++) {
      const key = (Math.floor(line / count) * entries + entry) * size
      let sum = 0
      for (let i = 0; i < size; i++) sum += q[line * size + i] * keys[key + i]
      scores[at] = sum
    }
  return scores
}

/** p · V likewise: p (rows, count, entries), values (rows, entries, size), result (rows, count, size). */
export const sharesTimesRows = (p: Float32Array, values: Float32Array, [rows, entries, size]: RowExtents, count: number): Float32Array => {
  const mixed = new Float32Array(rows * count * size)
  for (let line = 0, at = 0; line < rows * count; line++)
    for (let entry = 0; entry < entries; entry++, at++) {
      const value = (Math.floor(line / count) * entries + entry) * size
      for (let i = 0; i < size; i++) mixed[line * size + i] += p[at] * values[value + i]
    }
  return mixed
}

/** One softmax over spans of numbers that stand apart, in place. */
export const softmaxOver = (spans: readonly Float32Array[]): void => {
  let most = -Infinity
  for (const span of spans) for (let i = 0; i < span.length; i++) if (span[i] > most) most = span[i]
  let sum = 0
  for (const span of spans) for (let i = 0; i < span.length; i++) sum += span[i] = Math.exp(span[i] - most)
  for (const span of spans) for (let i = 0; i < span.length; i++) span[i] /= sum
}
