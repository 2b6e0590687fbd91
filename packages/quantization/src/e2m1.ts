/** The largest 4-bit float. */
export const E2M1_LARGEST = 6

/** Between the magnitudes 0, 0.5, 1, 1.5, 2, 3, 4, 6, whose codes are 0 … 7. */
const MIDDLES = [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5] as const
const SIGN = 8

/** The 4-bit float nearest to a value, ties to the even code; magnitudes above 6 become 6, and what rounds to 0 has no sign. */
export const encodeE2m1 = (value: number): number => {
  const magnitude = Math.abs(value)
  let code = 0
  while (code < MIDDLES.length && (magnitude > MIDDLES[code] || (magnitude === MIDDLES[code] && code % 2 === 1))) code++
  return value < 0 && code > 0 ? code + SIGN : code
}

/** The largest magnitude of each run of `block` columns, (rows, ⌈columns / block⌉). */
export const absmaxOfRuns = (values: Float32Array, columns: number, block: number): Float32Array => {
  const runs = Math.ceil(columns / block)
  const largest = new Float32Array((values.length / columns) * runs)
  for (let i = 0; i < values.length; i++) {
    const at = Math.floor(i / columns) * runs + Math.floor((i % columns) / block)
    largest[at] = Math.max(largest[at], Math.abs(values[i]))
  }
  return largest
}

/** Codes of value / scale, where each run of `block` columns has its scale; 0 where the scale is 0. */
export const e2m1Codes = (values: Float32Array, columns: number, block: number, scales: ArrayLike<number>): Uint8Array => {
  const runs = Math.ceil(columns / block)
  return Uint8Array.from(values, (value, i) => {
    const scale = scales[Math.floor(i / columns) * runs + Math.floor((i % columns) / block)]
    return scale === 0 ? 0 : encodeE2m1(value / scale)
  })
}
