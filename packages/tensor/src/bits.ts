/** Two codes a byte, without the loop over bits. */
const packPairs = (codes: ArrayLike<number>): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2))
  const pairs = codes.length >> 1
  for (let i = 0; i < pairs; i++) bytes[i] = (codes[2 * i] & 15) | ((codes[2 * i + 1] & 15) << 4)
  if (pairs < bytes.length) bytes[pairs] = codes[2 * pairs] & 15
  return bytes
}

/** Eight flags a byte. */
const packFlags = (codes: ArrayLike<number>): Uint8Array => {
  const bytes = new Uint8Array(Math.ceil(codes.length / 8))
  const whole = codes.length >> 3
  for (let i = 0, at = 0; i < whole; i++, at += 8) {
    const low = (codes[at] & 1) | ((codes[at + 1] & 1) << 1) | ((codes[at + 2] & 1) << 2) | ((codes[at + 3] & 1) << 3)
    const high = (codes[at + 4] & 1) | ((codes[at + 5] & 1) << 1) | ((codes[at + 6] & 1) << 2) | ((codes[at + 7] & 1) << 3)
    bytes[i] = low | (high << 4)
  }
  for (let at = 8 * whole; at < codes.length; at++) bytes[whole] |= (codes[at] & 1) << (at & 7)
  return bytes
}

const PACKERS: Readonly<Record<number, (codes: ArrayLike<number>) => Uint8Array>> = { 1: packFlags, 4: packPairs }

/** Packs unsigned codes of `bits` bits (1-8) into one little-endian bit stream: code i starts at bit i·bits. */
export const packBits = (codes: ArrayLike<number>, bits: number): Uint8Array => {
  const packer = PACKERS[bits]
  if (packer) return packer(codes)
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

const unpackPairs = (bytes: Uint8Array, length: number): Uint8Array => {
  const codes = new Uint8Array(length)
  const pairs = length >> 1
  for (let i = 0; i < pairs; i++) {
    codes[2 * i] = bytes[i] & 15
    codes[2 * i + 1] = bytes[i] >>> 4
  }
  if (length % 2 === 1) codes[length - 1] = bytes[pairs] & 15
  return codes
}

const unpackFlags = (bytes: Uint8Array, length: number): Uint8Array => {
  const codes = new Uint8Array(length)
  for (let i = 0; i < length; i++) codes[i] = (bytes[i >> 3] >> (i & 7)) & 1
  return codes
}

const UNPACKERS: Readonly<Record<number, (bytes: Uint8Array, length: number) => Uint8Array>> = { 1: unpackFlags, 4: unpackPairs }

/** The inverse of packBits: `length` unsigned codes. */
export const unpackBits = (bytes: Uint8Array, bits: number, length: number): Uint8Array => {
  const unpacker = UNPACKERS[bits]
  if (unpacker) return unpacker(bytes, length)
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
