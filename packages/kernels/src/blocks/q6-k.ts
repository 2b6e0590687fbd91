import { SUPER, type BlockContent } from './block-format.js'
import { extremeOf, fitSymmetric, TINY } from './fit-symmetric.js'
import { nearestInt } from './nearest.js'
import { GROUP, GROUPS, symmetricSuper, type Room } from './symmetric-super.js'

const { fround, abs, min } = Math
const HALF = 32
/** Scales are signed bytes. */
const SCALE_HALF = 128
const HIGH = 128
const SCALES = 192

/** A scale and codes from −32 for each group; its weights are the importance alone, or the squares. */
const fitGroups = (x: Float32Array, from: number, { block, scales, weights }: Room, importance?: Float32Array): void => {
  const column = importance ? from % importance.length : 0
  for (let j = 0, at = 0; j < GROUPS; j++, at += GROUP) {
    if (!importance) for (let i = 0; i < GROUP; i++) weights[i] = x[from + at + i] * x[from + at + i]
    scales[j] = fitSymmetric(x, from + at, GROUP, HALF, importance ?? weights, importance ? column + at : 0, block.codes, at)
  }
}

/** A block of which all scales vanish holds zeros alone. */
const fit = (x: Float32Array, from: number, room: Room, importance?: Float32Array): number => {
  const { codes, scaleCodes } = room.block
  fitGroups(x, from, room, importance)
  const extreme = extremeOf(room.scales, 0, GROUPS)
  if (abs(extreme) < TINY) {
    codes.fill(0)
    scaleCodes.fill(SCALE_HALF)
    return 0
  }
  const inverse = fround(-SCALE_HALF / extreme)
  for (let j = 0; j < GROUPS; j++) scaleCodes[j] = min(127, nearestInt(fround(inverse * room.scales[j]))) + SCALE_HALF
  return fround(1 / inverse)
}

/** In each half of 128, element j lies beside j + 64 and j + 32 beside j + 96; the high pairs of bits of all four share a byte. */
const pack = ({ codes, scaleCodes }: BlockContent, index: number, bytes: Uint8Array, at: number): void => {
  const start = index * SUPER
  for (let half = start, low = at, high = at + HIGH; half < start + SUPER; half += 128, low += 64, high += 32) {
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
  for (let j = 0, from = index * GROUPS; j < GROUPS; j++) bytes[at + SCALES + j] = scaleCodes[from + j] ^ SCALE_HALF
}

const unpack = (bytes: Uint8Array, at: number, { codes, scaleCodes }: BlockContent, index: number): void => {
  const start = index * SUPER
  for (let half = start, low = at, high = at + HIGH; half < start + SUPER; half += 128, low += 64, high += 32) {
    for (let i = 0; i < 32; i++) {
      const pairs = bytes[high + i]
      codes[half + i] = (bytes[low + i] & 15) | ((pairs & 3) << 4)
      codes[half + i + 32] = (bytes[low + i + 32] & 15) | (((pairs >> 2) & 3) << 4)
      codes[half + i + 64] = (bytes[low + i] >> 4) | (((pairs >> 4) & 3) << 4)
      codes[half + i + 96] = (bytes[low + i + 32] >> 4) | ((pairs >> 6) << 4)
    }
  }
  for (let j = 0, to = index * GROUPS; j < GROUPS; j++) scaleCodes[to + j] = bytes[at + SCALES + j] ^ SCALE_HALF
}

/** 6.5625 bits: 128 bytes of low fours, 64 of high pairs, 16 signed scales, f16 d. value = d · scale · (code − 32). */
export const Q6_K = symmetricSuper({ bytes: 210, half: HALF, scaleHalf: SCALE_HALF, fit, pack, unpack })
