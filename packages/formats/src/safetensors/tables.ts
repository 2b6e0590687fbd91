import type { DType } from '@tersor/tensor'

/** Names of the dtypes in a safetensors header, each with a dtype of its own, so that what is copied keeps its name. */
export const DTYPE_OF: Readonly<Record<string, DType>> = {
  F64: 'f64',
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  F8_E4M3: 'f8e4m3',
  F8_E5M2: 'f8e5m2',
  I64: 'i64',
  I32: 'i32',
  I16: 'i16',
  I8: 'i8',
  U64: 'u64',
  U32: 'u32',
  U16: 'u16',
  U8: 'u8',
  BOOL: 'bool',
  F8_E8M0: 'f8e8m0',
  C64: 'c64',
  F8_E4M3FNUZ: 'f8e4m3fnuz',
  F8_E5M2FNUZ: 'f8e5m2fnuz',
  F6_E2M3: 'f6e2m3',
  F6_E3M2: 'f6e3m2',
  F4: 'f4',
}

/** The inverse; dtypes that are absent are stored as flat U8. */
export const NAME_OF: Partial<Record<DType, string>> = Object.fromEntries(Object.entries(DTYPE_OF).map(([name, dtype]) => [dtype, name]))
