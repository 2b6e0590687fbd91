/** How many zeros stand before each number that is none. */
export const gapsOf = (values: ArrayLike<number>): Int32Array => {
  const gaps: number[] = []
  let last = -1
  for (let i = 0; i < values.length; i++) {
    if (values[i] === 0) continue
    gaps.push(i - last - 1)
    last = i
  }
  return Int32Array.from(gaps)
}

/** Numbers behind so many zeros each, among `length` in all; undefined where they take more room. */
export const spreadByGaps = (gaps: ArrayLike<number>, numbers: ArrayLike<number>, length: number): Int32Array | undefined => {
  const spread = new Int32Array(length)
  let at = -1
  for (let i = 0; i < gaps.length; i++) {
    at += gaps[i] + 1
    if (at >= length) return undefined
    spread[at] = numbers[i]
  }
  return spread
}
