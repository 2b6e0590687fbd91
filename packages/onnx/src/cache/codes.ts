import { roundHalfEven } from '@tersor/tensor'

interface Extents {
  readonly heads: number
  readonly size: number
}

/** The largest code of so many bits; codes are symmetric around zero. */
const LARGEST = { 8: 127, 4: 7 } as const

/** By how much a scale grows where an entry is cut. */
const STEP = 1.5

/** How much farther scales reach than what they were found of: each step that leaves it is run again. */
const REACH = { 8: 1.5, 4: 1.25 } as const

/** The largest magnitude of each channel, and what it may grow by, over its largest code; 1 where all are zero. */
export const channelScales = (values: Float32Array, { heads, size }: Extents, bits: 8 | 4): Float32Array => {
  const scales = new Float32Array(heads * size)
  const entries = values.length / (heads * size)
  for (let head = 0, at = 0; head < heads; head++)
    for (let entry = 0; entry < entries; entry++)
      for (let i = head * size; i < (head + 1) * size; i++, at++) scales[i] = Math.max(scales[i], Math.abs(values[at]))
  return scales.map(most => (most === 0 ? 1 : (REACH[bits] * most) / LARGEST[bits]))
}

/** round(x / scale) within the codes, ties to even as the runtime rounds; four bits stand two to a byte, the earlier channel lower, 8 added to each. */
export const encodeChannels = (
  values: Float32Array,
  scales: Float32Array,
  { heads, size }: Extents,
  bits: 8 | 4,
): Int8Array | Uint8Array => {
  const entries = values.length / (heads * size)
  const lowest = -LARGEST[bits] - 1
  const codes = new Int8Array(values.length)
  for (let head = 0, at = 0; head < heads; head++)
    for (let entry = 0; entry < entries; entry++)
      for (let i = head * size; i < (head + 1) * size; i++, at++)
        codes[at] = Math.min(LARGEST[bits], Math.max(lowest, roundHalfEven(Math.fround(values[at] / scales[i]))))
  return bits === 8 ? codes : Uint8Array.from({ length: codes.length / 2 }, (_, i) => (codes[2 * i] + 8) | ((codes[2 * i + 1] + 8) << 4))
}

const codesOf =
  (codes: Int8Array | Uint8Array, bits: 8 | 4) =>
  (at: number): number =>
    bits === 8 ? codes[at] : ((codes[at >> 1] >> (at % 2 === 0 ? 0 : 4)) & 15) - 8

/** Scales that reach farther for channels in which one of the last `tokens` entries stands at the largest code, which may have cut it; undefined where none does. */
export const widerScales = (
  codes: Int8Array | Uint8Array,
  scales: Float32Array,
  { heads, size }: Extents,
  { bits, tokens }: { readonly bits: 8 | 4; readonly tokens: number },
): Float32Array | undefined => {
  const codeAt = codesOf(codes, bits)
  const each = (bits === 8 ? codes.length : 2 * codes.length) / heads
  const wider = scales.slice()
  let isWider = false
  for (let head = 0; head < heads; head++)
    for (let at = (head + 1) * each - tokens * size; at < (head + 1) * each; at++) {
      const channel = head * size + (at % size)
      if (Math.abs(codeAt(at)) < LARGEST[bits] || wider[channel] > scales[channel]) continue
      wider[channel] *= STEP
      isWider = true
    }
  return isWider ? wider : undefined
}

/** Codes by other scales: of channels whose scale is another, round(code · before / now); all others as they are. */
export const recoded = <C extends Int8Array | Uint8Array>(
  codes: C,
  { before, now }: { readonly before: Float32Array; readonly now: Float32Array },
  { heads, size }: Extents,
  bits: 8 | 4,
): C => {
  const again = codes.slice() as C
  const codeAt = codesOf(codes, bits)
  const entries = (bits === 8 ? codes.length : 2 * codes.length) / (heads * size)
  const put = (at: number, code: number): void => {
    const shift = at % 2 === 0 ? 0 : 4
    if (bits === 8) again[at] = code
    else again[at >> 1] = (again[at >> 1] & (240 >> shift)) | ((code + 8) << shift)
  }
  for (let channel = 0; channel < heads * size; channel++) {
    if (now[channel] === before[channel]) continue
    const from = Math.floor(channel / size) * entries * size + (channel % size)
    for (let entry = 0; entry < entries; entry++) {
      const at = from + entry * size
      put(at, roundHalfEven(Math.fround((codeAt(at) * before[channel]) / now[channel])))
    }
  }
  return again
}

/** code · scale. */
export const decodeChannels = (
  codes: Int8Array | Uint8Array,
  scales: Float32Array,
  { heads, size }: Extents,
  bits: 8 | 4,
): Float32Array => {
  const values = new Float32Array(bits === 8 ? codes.length : 2 * codes.length)
  const entries = values.length / (heads * size)
  const codeAt = codesOf(codes, bits)
  for (let head = 0, at = 0; head < heads; head++)
    for (let entry = 0; entry < entries; entry++)
      for (let i = head * size; i < (head + 1) * size; i++, at++) values[at] = codeAt(at) * scales[i]
  return values
}
