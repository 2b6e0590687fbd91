import { decodeF16, encodeF16 } from '@tersor/tensor'
import { contentOf, putU16, SUPER, u16At, type BlockContent, type BlockFormat, type BlockLayout } from './block-format.js'
import { clamp, nearestInt } from './nearest.js'

const { fround } = Math

/** Elements that share a scale. */
export const GROUP = 16
export const GROUPS = SUPER / GROUP

/** Room for one super-block, made once a tensor. */
export interface Room {
  readonly block: BlockContent
  /** Of the groups: scales, and sums of their weights. */
  readonly scales: Float32Array
  readonly sums: Float32Array
  /** Of the elements of a group. */
  readonly weights: Float32Array
}

/** A type whose values are d · (scale − scaleHalf) · (code − half), 16 elements to a scale; d lies in the last two bytes. */
export interface SymmetricSuperLayout extends Pick<BlockLayout, 'bytes' | 'pack' | 'unpack'> {
  readonly half: number
  readonly scaleHalf: number
  /** Writes codes and scale codes; returns the scale of scales. */
  fit(x: Float32Array, from: number, room: Room, importance: Float32Array | undefined): number
}

const SHAPE = Object.freeze({ block: SUPER, group: GROUP, ranged: false })

/** The codes once more, for the scales as they are stored; those of vanished scales stay. */
const recode = (x: Float32Array, from: number, { codes, scaleCodes }: BlockContent, d: number, half: number, scaleHalf: number): void => {
  for (let j = 0; j < GROUPS; j++) {
    const scale = fround(d * (scaleCodes[j] - scaleHalf))
    if (scale === 0) continue
    for (let i = j * GROUP; i < (j + 1) * GROUP; i++) codes[i] = clamp(nearestInt(fround(x[from + i] / scale)), -half, half - 1) + half
  }
}

const encode = (values: Float32Array, importance: Float32Array | undefined, layout: SymmetricSuperLayout): Uint8Array => {
  const { bytes: blockBytes, half, scaleHalf } = layout
  const bytes = new Uint8Array((values.length / SUPER) * blockBytes)
  const room: Room = {
    block: contentOf(SHAPE),
    scales: new Float32Array(GROUPS),
    sums: new Float32Array(GROUPS),
    weights: new Float32Array(GROUP),
  }
  const { block } = room
  for (let from = 0, at = 0; from < values.length; from += SUPER, at += blockBytes) {
    block.scale[0] = encodeF16(layout.fit(values, from, room, importance))
    recode(values, from, block, decodeF16(block.scale[0]), half, scaleHalf)
    layout.pack(block, 0, bytes, at)
    putU16(bytes, at + blockBytes - 2, block.scale[0])
  }
  return bytes
}

const decode = (blocks: Uint8Array, { bytes, half, scaleHalf, unpack }: SymmetricSuperLayout): Float32Array => {
  const values = new Float32Array((blocks.length / bytes) * SUPER)
  const block = contentOf(SHAPE)
  for (let at = 0, to = 0; at < blocks.length; at += bytes, to += SUPER) {
    unpack(blocks, at, block, 0)
    const d = decodeF16(u16At(blocks, at + bytes - 2))
    for (let i = 0; i < SUPER; i++) values[to + i] = fround(d * (block.scaleCodes[i >> 4] - scaleHalf)) * (block.codes[i] - half)
  }
  return values
}

/** A K type without minima, from its layout; `pack` and `unpack` of the layout leave d to the frame. */
export const symmetricSuper = (layout: SymmetricSuperLayout): BlockFormat => {
  const d = layout.bytes - 2
  return Object.freeze<BlockFormat>({
    ...SHAPE,
    bytes: layout.bytes,
    pack: (content, index, bytes, at) => {
      layout.pack(content, index, bytes, at)
      putU16(bytes, at + d, content.scale[index])
    },
    unpack: (bytes, at, content, index) => {
      layout.unpack(bytes, at, content, index)
      content.scale[index] = u16At(bytes, at + d)
    },
    encode: (values, importance) => encode(values, importance, layout),
    decode: blocks => decode(blocks, layout),
  })
}
