import type { Encoded, Shape } from '@tersor/tensor'

/** Integers on a symmetric grid with one scale a block: value = scale · integer. */
export interface ScaledIntegers {
  /** As many as the tensor has elements. */
  readonly integers: Int8Array
  /** f16 codes, one a block. */
  readonly scales: Uint16Array
}

/** How the elements of one block type are stored. */
export interface BlockFormat {
  /**
   * Quantizes as ggml does, byte for byte. `importance` holds a weight for each column of the rows that `values` consists of;
   * types that cannot use it ignore it.
   */
  encode(values: Float32Array, importance?: Float32Array): Uint8Array
  decode(blocks: Uint8Array): Float32Array
}

/** A block type that is an affine tree in other bytes. */
export interface TreeFormat extends BlockFormat {
  /** The integers that a code may stand for. */
  readonly lowest: number
  readonly highest: number
  /** Lays out integers that are within lowest … highest. */
  pack(content: ScaledIntegers): Uint8Array
  /** The same codes and scales as an affine tree, nothing lost. */
  toTree(blocks: Uint8Array, shape: Shape): Encoded
}

export const isTreeFormat = (format: BlockFormat): format is TreeFormat => 'toTree' in format

/** Elements of a small block. */
export const BLOCK = 32
/** Elements of a super-block. */
export const SUPER = 256

export const putU16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value & 0xff
  bytes[at + 1] = value >>> 8
}

export const u16At = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8)
