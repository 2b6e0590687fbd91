import { encodeF16 } from '@tersor/tensor'
import { BLOCK, putU16 } from './block-format.js'
import { fitSymmetric } from './fit-symmetric.js'
import { quantize } from './quantize.js'
import { sumOfSquares, weigh } from './spread.js'

const { fround } = Math

/** A block type of one f16 scale and codes that count from −half. */
export interface SymmetricLayout {
  readonly bytes: number
  readonly half: number
  readonly kernel: 'quantizeQ4_0' | 'quantizeQ5_0'
  /** Lays out the codes of a block. */
  pack(codes: ArrayLike<number>, from: number, bytes: Uint8Array, at: number): void
}

const HEAD = 2

const encodeWeighted = (values: Float32Array, importance: Float32Array, { bytes: blockBytes, half, pack }: SymmetricLayout): Uint8Array => {
  const columns = importance.length
  const bytes = new Uint8Array((values.length / BLOCK) * blockBytes)
  const codes = new Int8Array(BLOCK)
  const weights = new Float32Array(BLOCK)
  for (let row = 0, at = 0; row < values.length; row += columns) {
    const spread = fround(sumOfSquares(values, row, columns) / columns)
    for (let column = 0; column < columns; column += BLOCK, at += blockBytes) {
      weigh(values, row + column, importance, column, spread, BLOCK, weights)
      putU16(bytes, at, encodeF16(fitSymmetric(values, row + column, BLOCK, half, weights, 0, codes, 0)))
      pack(codes, 0, bytes, at + HEAD)
    }
  }
  return bytes
}

/** Quantizes with one scale a block, as ggml does: without importance the extreme value on −half, the others rounded half up. */
export const encodeSymmetric = (values: Float32Array, importance: Float32Array | undefined, layout: SymmetricLayout): Uint8Array =>
  importance ? encodeWeighted(values, importance, layout) : quantize(layout.kernel, values, layout.bytes)
