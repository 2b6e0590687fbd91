import type { DType } from '@tersor/tensor'
import { IQ4_NL, IQ4_XS } from '../blocks/iq4.js'
import { MXFP4 } from '../blocks/mxfp4.js'
import { Q2_K } from '../blocks/q2-k.js'
import { Q3_K } from '../blocks/q3-k.js'
import { Q4_K, Q5_K } from '../blocks/q4-q5-k.js'
import { Q6_K } from '../blocks/q6-k.js'
import { Q5_0 } from '../blocks/q5-0.js'
import { Q4_1, Q5_1 } from '../blocks/ranged.js'
import { Q4_0 } from '../blocks/q4-0.js'
import { Q8_0 } from '../blocks/q8-0.js'
import type { BlockFormat } from '../blocks/block-format.js'

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

/** Tensor types that are read and written: a new block type is a row here and a file in blocks/. */
export const TENSOR_TYPES = {
  f32: { id: 0, block: 1, bytes: 4, dtype: 'f32' },
  f16: { id: 1, block: 1, bytes: 2, dtype: 'f16' },
  bf16: { id: 30, block: 1, bytes: 2, dtype: 'bf16' },
  f64: { id: 28, block: 1, bytes: 8, dtype: 'f64' },
  i8: { id: 24, block: 1, bytes: 1, dtype: 'i8' },
  i16: { id: 25, block: 1, bytes: 2, dtype: 'i16' },
  i32: { id: 26, block: 1, bytes: 4, dtype: 'i32' },
  i64: { id: 27, block: 1, bytes: 8, dtype: 'i64' },
  q4_0: { id: 2, block: 32, bytes: 18, format: Q4_0 },
  q4_1: { id: 3, block: 32, bytes: 20, format: Q4_1 },
  q5_0: { id: 6, block: 32, bytes: 22, format: Q5_0 },
  q5_1: { id: 7, block: 32, bytes: 24, format: Q5_1 },
  q8_0: { id: 8, block: 32, bytes: 34, format: Q8_0 },
  q2_k: { id: 10, block: 256, bytes: 84, format: Q2_K },
  q3_k: { id: 11, block: 256, bytes: 110, format: Q3_K },
  q4_k: { id: 12, block: 256, bytes: 144, format: Q4_K },
  q5_k: { id: 13, block: 256, bytes: 176, format: Q5_K },
  q6_k: { id: 14, block: 256, bytes: 210, format: Q6_K },
  iq4_nl: { id: 20, block: 32, bytes: 18, format: IQ4_NL },
  iq4_xs: { id: 23, block: 256, bytes: 136, format: IQ4_XS },
  mxfp4: { id: 39, block: 32, bytes: 17, format: MXFP4 },
} as const satisfies Record<string, TensorType>

export type TensorTypeName = keyof typeof TENSOR_TYPES
export type BlockTypeName = { [N in TensorTypeName]: (typeof TENSOR_TYPES)[N] extends { format: BlockFormat } ? N : never }[TensorTypeName]

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
