import { decodeF16, encodeF16 } from '@tersor/tensor'
import { contentOf, putU16, SUPER, u16At, type BlockContent, type BlockFormat, type BlockLayout } from './block-format.js'
import { affineRoom, fitAffine, SWEEPS, type AffineRoom, type Sweep } from './fit-affine.js'
import { fitPositive } from './fit-positive.js'
import { clamp, nearestInt } from './nearest.js'
import { sumOfSquares, weigh } from './importance-weights.js'

const { fround } = Math

/** A type whose values are d · scale · code − dmin · minimum, a scale and a minimum for each group. */
export interface RangedSuperLayout extends Pick<BlockLayout, 'bytes' | 'pack' | 'unpack'> {
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
  settle(block: BlockContent, weighted: boolean): void
}

interface Room extends AffineRoom {
  readonly block: BlockContent
  readonly scales: Float32Array
  readonly minima: Float32Array
  /** Of the groups: sums of their weights. */
  readonly sums: Float32Array
}

const roomOf = (group: number): Room => ({
  ...affineRoom(group),
  block: contentOf({ block: SUPER, group, ranged: true }),
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
  const { codes, scaleCodes, minimumCodes } = block
  const d = decodeF16(block.scale[0])
  const dmin = decodeF16(block.minimum[0])
  for (let j = 0; j < scaleCodes.length; j++) {
    const scale = fround(d * scaleCodes[j])
    if (scale === 0) continue
    const minimum = fround(dmin * minimumCodes[j])
    for (let i = j * size; i < (j + 1) * size; i++) codes[i] = clamp(nearestInt(fround(fround(x[from + i] + minimum) / scale)), 0, top)
  }
}

const fitPlain = (x: Float32Array, from: number, room: Room, { group, top, levels, sweep, weights }: RangedSuperLayout): void => {
  const { block, scales, minima } = room
  for (let at = 0; at < SUPER; at += group) {
    weights(x, from + at, room.weights)
    fitGroup(x, from + at, at, room, top, sweep)
  }
  block.scale[0] = encodeF16(codeEvenly(scales, levels, block.scaleCodes))
  block.minimum[0] = encodeF16(codeEvenly(minima, levels, block.minimumCodes))
}

const fitWeighted = (
  x: Float32Array,
  from: number,
  room: Room,
  { group, top, levels, spread }: RangedSuperLayout,
  importance: Float32Array,
  column: number,
): void => {
  const { block, scales, minima, sums } = room
  const floor = fround(fround(spread * sumOfSquares(x, from, SUPER)) / SUPER)
  for (let at = 0; at < SUPER; at += group) {
    sums[at / group] = weigh(x, from + at, importance, column + at, floor, group, room.weights)
    fitGroup(x, from + at, at, room, top, SWEEPS.weighted)
  }
  block.scale[0] = encodeF16(fitPositive(scales, levels, sums, block.scaleCodes))
  block.minimum[0] = encodeF16(fitPositive(minima, levels, sums, block.minimumCodes))
}

const encode = (values: Float32Array, importance: Float32Array | undefined, layout: RangedSuperLayout): Uint8Array => {
  const bytes = new Uint8Array((values.length / SUPER) * layout.bytes)
  const room = roomOf(layout.group)
  for (let from = 0, at = 0; from < values.length; from += SUPER, at += layout.bytes) {
    if (importance) fitWeighted(values, from, room, layout, importance, from % importance.length)
    else fitPlain(values, from, room, layout)
    layout.settle(room.block, importance !== undefined)
    recode(values, from, room, layout.top)
    layout.pack(room.block, 0, bytes, at)
  }
  return bytes
}

const decode = (blocks: Uint8Array, { bytes, group, unpack }: RangedSuperLayout): Float32Array => {
  const values = new Float32Array((blocks.length / bytes) * SUPER)
  const block = contentOf({ block: SUPER, group, ranged: true })
  for (let at = 0, to = 0; at < blocks.length; at += bytes, to += SUPER) {
    unpack(blocks, at, block, 0)
    const d = decodeF16(block.scale[0])
    const dmin = decodeF16(block.minimum[0])
    for (let i = 0; i < SUPER; i++) {
      const j = (i / group) | 0
      values[to + i] = fround(fround(d * block.scaleCodes[j]) * block.codes[i]) - fround(dmin * block.minimumCodes[j])
    }
  }
  return values
}

/** A K type with minima, from its layout. */
export const rangedSuper = (layout: RangedSuperLayout): BlockFormat =>
  Object.freeze<BlockFormat>({
    ...{ block: SUPER, bytes: layout.bytes, group: layout.group, ranged: true, pack: layout.pack, unpack: layout.unpack },
    encode: (values, importance) => encode(values, importance, layout),
    decode: blocks => decode(blocks, layout),
  })

export const putScales = ({ scale, minimum }: BlockContent, index: number, bytes: Uint8Array, at: number): void => {
  putU16(bytes, at, scale[index])
  putU16(bytes, at + 2, minimum[index])
}

export const takeScales = (bytes: Uint8Array, at: number, { scale, minimum }: BlockContent, index: number): void => {
  scale[index] = u16At(bytes, at)
  minimum[index] = u16At(bytes, at + 2)
}
