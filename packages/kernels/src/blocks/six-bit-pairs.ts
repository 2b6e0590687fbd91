/** Twelve bytes hold eight pairs of 6-bit numbers: of the first four whole in the low bits, of the last four their parts. */
export const SIX_BIT_PAIRS_BYTES = 12
const WHOLE = 4

/** Pairs from index `from` on. */
export const packSixBitPairs = (first: Uint8Array, second: Uint8Array, from: number, bytes: Uint8Array, at: number): void => {
  for (let i = 0, j = from; i < WHOLE; i++, j++) {
    bytes[at + i] = first[j] | ((first[j + WHOLE] >> 4) << 6)
    bytes[at + WHOLE + i] = second[j] | ((second[j + WHOLE] >> 4) << 6)
    bytes[at + 2 * WHOLE + i] = (first[j + WHOLE] & 15) | ((second[j + WHOLE] & 15) << 4)
  }
}

export const unpackSixBitPairs = (bytes: Uint8Array, at: number, first: Uint8Array, second: Uint8Array, to: number): void => {
  for (let i = 0, j = to; i < WHOLE; i++, j++) {
    const low = bytes[at + i]
    const middle = bytes[at + WHOLE + i]
    const shared = bytes[at + 2 * WHOLE + i]
    first[j] = low & 63
    second[j] = middle & 63
    first[j + WHOLE] = (shared & 15) | ((low >> 6) << 4)
    second[j + WHOLE] = (shared >> 4) | ((middle >> 6) << 4)
  }
}
