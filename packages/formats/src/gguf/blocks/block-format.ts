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
  /** The integers that a code may stand for. */
  readonly lowest: number
  readonly highest: number
  /** Quantizes as ggml's reference does, byte for byte. */
  encode(values: Float32Array): Uint8Array
  decode(blocks: Uint8Array): Float32Array
  /** Lays out integers that are within lowest … highest. */
  pack(content: ScaledIntegers): Uint8Array
  /** The same codes and scales as an affine tree, nothing lost. */
  toTree(blocks: Uint8Array, shape: Shape): Encoded
}

export const BLOCK = 32
