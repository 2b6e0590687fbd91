import type { DType } from '@tersor/tensor'

/** Names of the dtypes in a safetensors header; a boolean is a byte. */
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
  BOOL: 'u8',
}

/** Dtypes that the format has and we do not. */
export const UNSUPPORTED_DTYPES: readonly string[] = ['F4', 'F6_E2M3', 'F6_E3M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'C64']

/** The inverse; dtypes that are absent are stored as flat U8. */
export const NAME_OF: Partial<Record<DType, string>> = Object.fromEntries(
  Object.entries(DTYPE_OF)
    .filter(([name]) => name !== 'BOOL')
    .map(([name, dtype]) => [dtype, name]),
)
