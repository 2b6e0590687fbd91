/** Twelve bytes hold eight pairs of 6-bit numbers: of the first four whole in the low bits, of the last four their parts. */
export const SIX_BIT_PAIRS_BYTES = 12
const WHOLE = 4

export const packSixBitPairs = (first: Uint8Array, second: Uint8Array, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < WHOLE; i++) {
    bytes[at + i] = first[i] | ((first[i + WHOLE] >> 4) << 6)
    bytes[at + WHOLE + i] = second[i] | ((second[i + WHOLE] >> 4) << 6)
    bytes[at + 2 * WHOLE + i] = (first[i + WHOLE] & 15) | ((second[i + WHOLE] & 15) << 4)
  }
}

export const unpackSixBitPairs = (bytes: Uint8Array, at: number, first: Uint8Array, second: Uint8Array): void => {
  for (let i = 0; i < WHOLE; i++) {
    const low = bytes[at + i]
    const middle = bytes[at + WHOLE + i]
    const shared = bytes[at + 2 * WHOLE + i]
    first[i] = low & 63
    second[i] = middle & 63
    first[i + WHOLE] = (shared & 15) | ((low >> 6) << 4)
    second[i + WHOLE] = (shared >> 4) | ((middle >> 6) << 4)
  }
}
