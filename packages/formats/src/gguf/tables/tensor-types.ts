import type { DType } from '@tersor/tensor'
import { BLOCK_TYPES, type BlockFormat, type BlockTypeName } from '@tersor/kernels/blocks'

export type { BlockTypeName } from '@tersor/kernels/blocks'

export interface TensorType {
  /** The number in the file. */
  readonly id: number
  /** Elements of a block, all of one row. */
  readonly block: number
  /** Bytes of a block. */
  readonly bytes: number
  /** Set where elements are plain. */
  readonly dtype?: DType
  /** Set where blocks of quantized elements are known. */
  readonly format?: BlockFormat
}

const blocks = <N extends BlockTypeName>(id: number, name: N) => {
  const format: BlockFormat = BLOCK_TYPES[name]
  return { id, block: format.block, bytes: format.bytes, format } as const
}

/** Tensor types that are read and written. */
export const TENSOR_TYPES = {
  f32: { id: 0, block: 1, bytes: 4, dtype: 'f32' },
  f16: { id: 1, block: 1, bytes: 2, dtype: 'f16' },
  bf16: { id: 30, block: 1, bytes: 2, dtype: 'bf16' },
  f64: { id: 28, block: 1, bytes: 8, dtype: 'f64' },
  i8: { id: 24, block: 1, bytes: 1, dtype: 'i8' },
  i16: { id: 25, block: 1, bytes: 2, dtype: 'i16' },
  i32: { id: 26, block: 1, bytes: 4, dtype: 'i32' },
  i64: { id: 27, block: 1, bytes: 8, dtype: 'i64' },
  q4_0: blocks(2, 'q4_0'),
  q4_1: blocks(3, 'q4_1'),
  q5_0: blocks(6, 'q5_0'),
  q5_1: blocks(7, 'q5_1'),
  q8_0: blocks(8, 'q8_0'),
  q2_k: blocks(10, 'q2_k'),
  q3_k: blocks(11, 'q3_k'),
  q4_k: blocks(12, 'q4_k'),
  q5_k: blocks(13, 'q5_k'),
  q6_k: blocks(14, 'q6_k'),
  iq4_nl: blocks(20, 'iq4_nl'),
  iq4_xs: blocks(23, 'iq4_xs'),
  mxfp4: blocks(39, 'mxfp4'),
} as const satisfies Record<string, TensorType>

export type TensorTypeName = keyof typeof TENSOR_TYPES

export const TENSOR_TYPE_OF: ReadonlyMap<number, TensorTypeName> = new Map(
  Object.entries(TENSOR_TYPES).map(([name, { id }]) => [id, name as TensorTypeName]),
)

/** The others of llama.cpp, so that an error can name them. */
export const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  40: 'NVFP4',
}
