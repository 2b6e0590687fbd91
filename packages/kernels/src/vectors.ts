/** a ← a + b. */
export const addInto = (a: Float32Array, b: Float32Array): void => {
  for (let i = 0; i < a.length; i++) a[i] += b[i]
}

/** a ← a − b. */
export const subtractFrom = (a: Float32Array, b: Float32Array): void => {
  for (let i = 0; i < a.length; i++) a[i] -= b[i]
}

/** a ← a + factor · b. */
export const addScaled = (a: Float32Array, b: Float32Array, factor: number): void => {
  for (let i = 0; i < a.length; i++) a[i] += factor * b[i]
}

/** a ← factor · a. */
export const scale = (a: Float32Array, factor: number): void => {
  for (let i = 0; i < a.length; i++) a[i] *= factor
}

/** a ← decay · a + factor · b. */
export const decayInto = (a: Float32Array, decay: number, b: Float32Array, factor: number): void => {
  for (let i = 0; i < a.length; i++) a[i] = decay * a[i] + factor * b[i]
}

/** a ← decay · a + (1 − decay) · b². */
export const decaySquares = (a: Float32Array, decay: number, b: Float32Array): void => {
  for (let i = 0; i < a.length; i++) a[i] = decay * a[i] + (1 - decay) * b[i] * b[i]
}

/** into ← a / (√b + epsilon). */
export const overRoots = (a: Float32Array, b: Float32Array, epsilon: number, into: Float32Array): void => {
  for (let i = 0; i < a.length; i++) into[i] = a[i] / (Math.sqrt(b[i]) + epsilon)
}

/** Σ aᵢ², in float64. */
export const sumOfSquares = (a: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * a[i]
  return sum
}

/** Σ |aᵢ|, in float64. */
export const sumOfMagnitudes = (a: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i])
  return sum
}

/** max |aᵢ|; 0 of nothing. */
export const largestOf = (a: Float32Array): number => {
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]))
  return largest
}

/** One bit a number, 1 where it is at least 0, eight to a byte, the first in the highest bit. */
export const packSigns = (a: Float32Array): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(a.length / 8))
  for (let i = 0; i < a.length; i++) if (a[i] >= 0) bits[i >> 3] |= 128 >> (i & 7)
  return bits
}

/** a ← ± size, + where the bit is 1. */
export const unpackSigns = (bits: Uint8Array, size: number, a: Float32Array): void => {
  for (let i = 0; i < a.length; i++) a[i] = bits[i >> 3] & (128 >> (i & 7)) ? size : -size
}

/** The places of the `count` numbers of the largest magnitude, ascending; of equals the first. */
export const placesOfLargest = (a: Float32Array, count: number): Int32Array => {
  const places = new Int32Array(count)
  const bound = thresholdOf(a, count)
  let above = 0
  for (let i = 0; i < a.length; i++) if (Math.abs(a[i]) > bound) above++
  let equal = count - above
  for (let i = 0, at = 0; i < a.length && at < count; i++) {
    const size = Math.abs(a[i])
    if (size > bound || (size === bound && equal-- > 0)) places[at++] = i
  }
  return places
}

/** Fewer numbers are sorted faster than counted. */
const SORTED = 2 ** 14

/** The `count`-th largest magnitude: bits of floats at least 0 are ordered as they are, so the upper half is counted, then the lower. */
const thresholdOf = (a: Float32Array, count: number): number => {
  if (a.length < SORTED) return a.map(Math.abs).sort()[a.length - count]
  const bits = new Uint32Array(a.buffer, a.byteOffset, a.length)
  const upper = new Uint32Array(2 ** 15)
  for (let i = 0; i < bits.length; i++) upper[(bits[i] & 0x7fffffff) >>> 16]++
  const [high, left] = countDown(upper, count)
  const lower = new Uint32Array(2 ** 16)
  for (let i = 0; i < bits.length; i++) if ((bits[i] & 0x7fffffff) >>> 16 === high) lower[bits[i] & 0xffff]++
  const [low] = countDown(lower, left)
  return new Float32Array(Uint32Array.of((high << 16) | low).buffer)[0]
}

/** The bin from the top in which the `count`-th lies, and which one of it that is. */
const countDown = (bins: Uint32Array, count: number): readonly [bin: number, left: number] => {
  let [bin, left] = [bins.length - 1, count]
  while (bin > 0 && left > bins[bin]) left -= bins[bin--]
  return [bin, left]
}
