import { decodeF16, encodeF16 } from '@tersor/tensor'
import { SUPER, type BlockFormat, putU16, u16At } from './block-format.js'
import { affineRoom, fitAffine, SWEEPS, type AffineRoom, type Sweep } from './fit-affine.js'
import { fitPositive } from './fit-positive.js'
import { clamp, nearestInt } from './nearest.js'
import { sumOfSquares, weigh } from './spread.js'

const { fround } = Math

/** The content of a super-block: codes, and a scale and a minimum for each group, coded against two halves. */
export interface SuperBlock {
  readonly codes: Uint8Array
  readonly scales: Uint8Array
  readonly minima: Uint8Array
  /** f16 codes of the scale of the scales and of the scale of the minima. */
  readonly halves: Uint16Array
}

/** A type whose values are d · scale · code − dmin · minimum. */
export interface SuperLayout {
  readonly bytes: number
  readonly group: number
  /** The largest code of an element. */
  readonly top: number
  /** The largest code of a scale or minimum. */
  readonly levels: number
  /** Without an importance matrix: what is tried, and the weights of a group. */
  readonly sweep: Sweep
  weights(x: Float32Array, from: number, weights: Float32Array): void
  /** With one: √(spread · mean of squares + x²) times importance are the weights. */
  readonly spread: number
  /** Brings codes of scales and minima, a byte each and rarely too large, to what the layout will hold of them. */
  settle(block: SuperBlock, weighted: boolean): void
  pack(block: SuperBlock, bytes: Uint8Array, at: number): void
  unpack(bytes: Uint8Array, at: number, block: SuperBlock): void
}

interface Room extends AffineRoom {
  readonly block: SuperBlock
  readonly scales: Float32Array
  readonly minima: Float32Array
  /** Of the groups: sums of their weights. */
  readonly sums: Float32Array
}

const blockOf = (groups: number): SuperBlock => ({
  codes: new Uint8Array(SUPER),
  scales: new Uint8Array(groups),
  minima: new Uint8Array(groups),
  halves: new Uint16Array(2),
})

const roomOf = (group: number): Room => ({
  ...affineRoom(group),
  block: blockOf(SUPER / group),
  scales: new Float32Array(SUPER / group),
  minima: new Float32Array(SUPER / group),
  sums: new Float32Array(SUPER / group),
})

const fitGroup = (x: Float32Array, from: number, at: number, room: Room, top: number, sweep: Sweep): void => {
  fitAffine(x, from, top, sweep, room, room.block.codes, at)
  const index = at / room.size
  room.scales[index] = room.lines[0]
  room.minima[index] = -room.lines[1]
}

/** Codes numbers so that the largest of them has the last code; returns the scale. */
const codeEvenly = (numbers: Float32Array, levels: number, codes: Uint8Array): number => {
  let largest = 0
  for (let i = 0; i < numbers.length; i++) if (numbers[i] > largest) largest = numbers[i]
  const inverse = largest > 0 ? fround(levels / largest) : 0
  for (let i = 0; i < numbers.length; i++) codes[i] = nearestInt(fround(inverse * numbers[i]))
  return fround(largest / levels)
}

/** The codes once more, for the scales and minima as they are stored; those of vanished scales stay. */
const recode = (x: Float32Array, from: number, { block, size }: Room, top: number): void => {
  const { codes, scales, minima, halves } = block
  const d = decodeF16(halves[0])
  const dmin = decodeF16(halves[1])
  for (let j = 0; j < scales.length; j++) {
    const scale = fround(d * scales[j])
    if (scale === 0) continue
    const minimum = fround(dmin * minima[j])
    for (let i = j * size; i < (j + 1) * size; i++) codes[i] = clamp(nearestInt(fround(fround(x[from + i] + minimum) / scale)), 0, top)
  }
}

const fitPlain = (x: Float32Array, from: number, room: Room, { group, top, levels, sweep, weights }: SuperLayout): void => {
  const { block, scales, minima } = room
  for (let at = 0; at < SUPER; at += group) {
    weights(x, from + at, room.weights)
    fitGroup(x, from + at, at, room, top, sweep)
  }
  block.halves[0] = encodeF16(codeEvenly(scales, levels, block.scales))
  block.halves[1] = encodeF16(codeEvenly(minima, levels, block.minima))
}

const fitWeighted = (
  x: Float32Array,
  from: number,
  room: Room,
  { group, top, levels, spread }: SuperLayout,
  importance: Float32Array,
  column: number,
): void => {
  const { block, scales, minima, sums } = room
  const floor = fround(fround(spread * sumOfSquares(x, from, SUPER)) / SUPER)
  for (let at = 0; at < SUPER; at += group) {
    sums[at / group] = weigh(x, from + at, importance, column + at, floor, group, room.weights)
    fitGroup(x, from + at, at, room, top, SWEEPS.weighted)
  }
  block.halves[0] = encodeF16(fitPositive(scales, levels, sums, block.scales))
  block.halves[1] = encodeF16(fitPositive(minima, levels, sums, block.minima))
}

const encode = (values: Float32Array, importance: Float32Array | undefined, layout: SuperLayout): Uint8Array => {
  const bytes = new Uint8Array((values.length / SUPER) * layout.bytes)
  const room = roomOf(layout.group)
  for (let from = 0, at = 0; from < values.length; from += SUPER, at += layout.bytes) {
    if (importance) fitWeighted(values, from, room, layout, importance, from % importance.length)
    else fitPlain(values, from, room, layout)
    layout.settle(room.block, importance !== undefined)
    recode(values, from, room, layout.top)
    layout.pack(room.block, bytes, at)
  }
  return bytes
}

const decode = (blocks: Uint8Array, { bytes, group, unpack }: SuperLayout): Float32Array => {
  const values = new Float32Array((blocks.length / bytes) * SUPER)
  const block = blockOf(SUPER / group)
  for (let at = 0, to = 0; at < blocks.length; at += bytes, to += SUPER) {
    unpack(blocks, at, block)
    const d = decodeF16(block.halves[0])
    const dmin = decodeF16(block.halves[1])
    for (let i = 0; i < SUPER; i++) {
      const j = (i / group) | 0
      values[to + i] = fround(fround(d * block.scales[j]) * block.codes[i]) - fround(dmin * block.minima[j])
    }
  }
  return values
}

/** A K type with minima, from its layout. */
export const rangedSuper = (layout: SuperLayout): BlockFormat =>
  Object.freeze({
    encode: (values: Float32Array, importance?: Float32Array) => encode(values, importance, layout),
    decode: (blocks: Uint8Array) => decode(blocks, layout),
  })

export const putHalves = ({ halves }: SuperBlock, bytes: Uint8Array, at: number): void => {
  putU16(bytes, at, halves[0])
  putU16(bytes, at + 2, halves[1])
}

export const takeHalves = (bytes: Uint8Array, at: number, { halves }: SuperBlock): void => {
  halves[0] = u16At(bytes, at)
  halves[1] = u16At(bytes, at + 2)
}
