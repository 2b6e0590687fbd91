/** Two codes a byte, without the loop over bits. */
const packPairs = (codes: ArrayLike<number>): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2))
  const pairs = codes.length >> 1
  for (let i = 0; i < pairs; i++) bytes[i] = (codes[2 * i] & 15) | ((codes[2 * i + 1] & 15) << 4)
  if (pairs < bytes.length) bytes[pairs] = codes[2 * pairs] & 15
  return bytes
}

/** Packs unsigned codes of `bits` bits (1-8) into one little-endian bit stream: code i starts at bit i·bits. */
export const packBits = (codes: ArrayLike<number>, bits: number): Uint8Array => {
  if (bits === 4) return packPairs(codes)
  const bytes = new Uint8Array(Math.ceil((codes.length * bits) / 8))
  const mask = (1 << bits) - 1
  let held = 0
  let count = 0
  let at = 0
  for (let i = 0; i < codes.length; i++) {
    held |= (codes[i] & mask) << count
    count += bits
    while (count >= 8) {
      bytes[at++] = held & 0xff
      held >>>= 8
      count -= 8
    }
  }
  if (count > 0) bytes[at] = held & 0xff
  return bytes
}

/** The inverse of packBits: `length` unsigned codes. */
export const unpackBits = (bytes: Uint8Array, bits: number, length: number): Uint8Array => {
  const codes = new Uint8Array(length)
  const mask = (1 << bits) - 1
  let held = 0
  let count = 0
  let at = 0
  for (let i = 0; i < length; i++) {
    if (count < bits) {
      held |= bytes[at++] << count
      count += 8
    }
    codes[i] = held & mask
    held >>>= bits
    count -= bits
  }
  return codes
}
