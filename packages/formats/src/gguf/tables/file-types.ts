import type { TensorTypeName } from './tensor-types.js'

/** general.file_type: what most of a file is. */
const FILE_TYPES: Partial<Record<TensorTypeName, number>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  q5_0: 8,
  q5_1: 9,
  q2_k: 10,
  q3_k: 11,
  q4_k: 14,
  q5_k: 16,
  q6_k: 18,
  iq4_nl: 25,
  iq4_xs: 30,
  bf16: 32,
  mxfp4: 38,
}

/** The file type of the tensors that take the most bytes. */
export const fileTypeOf = (tensors: readonly { readonly type: TensorTypeName; readonly byteLength: number }[]): number => {
  const bytes = new Map<TensorTypeName, number>()
  for (const { type, byteLength } of tensors) bytes.set(type, (bytes.get(type) ?? 0) + byteLength)
  const [largest] = [...bytes].sort(([, a], [, b]) => b - a)
  return (largest && FILE_TYPES[largest[0]]) ?? 0
}
