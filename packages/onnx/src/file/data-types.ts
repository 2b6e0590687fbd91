import type { DType } from '@tersor/tensor'
import { TensorProto_DataType as Type } from './schema/onnx-ml_pb.js'

/** Element types that are parameters here; truth values and texts are not. */
const DTYPES: Readonly<Partial<Record<Type, DType>>> = {
  [Type.FLOAT]: 'f32',
  [Type.UINT8]: 'u8',
  [Type.INT8]: 'i8',
  [Type.UINT16]: 'u16',
  [Type.INT16]: 'i16',
  [Type.INT32]: 'i32',
  [Type.INT64]: 'i64',
  [Type.FLOAT16]: 'f16',
  [Type.DOUBLE]: 'f64',
  [Type.UINT32]: 'u32',
  [Type.UINT64]: 'u64',
  [Type.BFLOAT16]: 'bf16',
  [Type.FLOAT8E4M3FN]: 'f8e4m3',
  [Type.FLOAT8E5M2]: 'f8e5m2',
  [Type.UINT4]: 'u4',
  [Type.INT4]: 'i4',
  [Type.UINT2]: 'u2',
}

const TYPES = new Map(Object.entries(DTYPES).map(([type, dtype]) => [dtype, Number(type) as Type]))

/** What an element type is at rest; undefined for those that are no parameters. */
export const dtypeOf = (type: number): DType | undefined => DTYPES[type as Type]

/** The element type of a dtype; undefined where ONNX has none, as for three bits. */
export const typeOf = (dtype: DType): Type | undefined => TYPES.get(dtype)

/** The name of an element type, as runtimes write it. */
export const typeName = (type: number): string => (Type[type] ?? `type ${type}`).toLowerCase()
