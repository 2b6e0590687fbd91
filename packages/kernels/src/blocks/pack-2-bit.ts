const HALF = 128
const RUN = 32

/** Lays out 256 codes of two bits: in each half, byte j holds elements j, j + 32, j + 64 and j + 96. */
export const packCrumbs = (codes: Uint8Array, from: number, bytes: Uint8Array, at: number): void => {
  for (let half = from, to = at; half < from + 2 * HALF; half += HALF)
    for (let i = half; i < half + RUN; i++, to++)
      bytes[to] = (codes[i] & 3) | ((codes[i + RUN] & 3) << 2) | ((codes[i + 2 * RUN] & 3) << 4) | ((codes[i + 3 * RUN] & 3) << 6)
}

export const unpackCrumbs = (bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void => {
  for (let half = to, from = at; half < to + 2 * HALF; half += HALF)
    for (let i = half; i < half + RUN; i++, from++) for (let run = 0; run < 4; run++) codes[i + run * RUN] = (bytes[from] >> (2 * run)) & 3
}
