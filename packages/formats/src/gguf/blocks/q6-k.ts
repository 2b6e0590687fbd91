import { decodeF16, encodeF16 } from '@tersor/tensor'
import { putU16, SUPER, u16At, type BlockFormat } from './block-format.js'
import { extremeOf, fitSymmetric, TINY } from './fit-symmetric.js'
import { clamp, nearestInt } from './nearest.js'

const { fround, abs, min } = Math
const BYTES = 210
const GROUP = 16
const GROUPS = 16
const HALF = 32
const HIGH = 128
const SCALES = 192
const D = 208

interface Room {
  readonly codes: Int8Array
  readonly scales: Float32Array
  readonly scaleCodes: Int8Array
  readonly weights: Float32Array
}

/** A scale and codes from −32 for each group; its weights are the importance alone, or the squares. */
const fitGroups = (x: Float32Array, from: number, room: Room, importance?: Float32Array): void => {
  const { codes, scales, weights } = room
  const column = importance ? from % importance.length : 0
  for (let j = 0, at = 0; j < GROUPS; j++, at += GROUP) {
    if (!importance) for (let i = 0; i < GROUP; i++) weights[i] = x[from + at + i] * x[from + at + i]
    scales[j] = fitSymmetric(x, from + at, GROUP, HALF, importance ?? weights, importance ? column + at : 0, codes, at)
  }
}

/** The codes once more, for the scales as they are stored; those of vanished scales stay. */
const recode = (x: Float32Array, from: number, { codes, scaleCodes }: Room, d: number): void => {
  for (let j = 0; j < GROUPS; j++) {
    const scale = fround(d * scaleCodes[j])
    if (scale === 0) continue
    for (let i = j * GROUP; i < (j + 1) * GROUP; i++) codes[i] = clamp(nearestInt(fround(x[from + i] / scale)), -HALF, HALF - 1) + HALF
  }
}

/** In each half of 128, element j lies beside j + 64 and j + 32 beside j + 96; the high pairs of bits of all four share a byte. */
const pack = ({ codes, scaleCodes }: Room, bytes: Uint8Array, at: number): void => {
  for (let half = 0, low = at, high = at + HIGH; half < SUPER; half += 128, low += 64, high += 32) {
    for (let i = 0; i < 32; i++) {
      const a = codes[half + i]
      const b = codes[half + i + 32]
      const c = codes[half + i + 64]
      const d = codes[half + i + 96]
      bytes[low + i] = (a & 15) | ((c & 15) << 4)
      bytes[low + i + 32] = (b & 15) | ((d & 15) << 4)
      bytes[high + i] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6)
    }
  }
  for (let j = 0; j < GROUPS; j++) bytes[at + SCALES + j] = scaleCodes[j]
}

const encode = (values: Float32Array, importance?: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((values.length / SUPER) * BYTES)
  const room: Room = {
    codes: new Int8Array(SUPER),
    scales: new Float32Array(GROUPS),
    scaleCodes: new Int8Array(GROUPS),
    weights: new Float32Array(GROUP),
  }
  for (let from = 0, at = 0; from < values.length; from += SUPER, at += BYTES) {
    fitGroups(values, from, room, importance)
    const extreme = extremeOf(room.scales, 0, GROUPS)
    if (abs(extreme) < TINY) continue
    const inverse = fround(-128 / extreme)
    const d = encodeF16(fround(1 / inverse))
    for (let j = 0; j < GROUPS; j++) room.scaleCodes[j] = min(127, nearestInt(fround(inverse * room.scales[j])))
    recode(values, from, room, decodeF16(d))
    pack(room, bytes, at)
    putU16(bytes, at + D, d)
  }
  return bytes
}

const decode = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / BYTES) * SUPER)
  for (let at = 0, to = 0; at < blocks.length; at += BYTES, to += SUPER) {
    const d = decodeF16(u16At(blocks, at + D))
    for (let i = 0; i < SUPER; i++) {
      const half = i >> 7
      const run = (i >> 5) & 3
      const j = i & 31
      const low = (blocks[at + 64 * half + 32 * (run & 1) + j] >> (run < 2 ? 0 : 4)) & 15
      const high = (blocks[at + HIGH + 32 * half + j] >> (2 * run)) & 3
      const scale = (blocks[at + SCALES + (i >> 4)] << 24) >> 24
      values[to + i] = fround(d * scale) * ((low | (high << 4)) - HALF)
    }
  }
  return values
}

/** 6.5625 bits: 128 bytes of low fours, 64 of high pairs, 16 signed scales, f16 d. value = d · scale · (code − 32). */
export const Q6_K: BlockFormat = Object.freeze({ encode, decode })
