/**
 * What bytes mean at rest. Compute happens in tfjs float32 or int32.
 * Elements under eight bits are one little-endian bit stream over the flattened tensor.
 */
export const DTYPES = {
  f64: { bits: 64, kind: 'float' },
  f32: { bits: 32, kind: 'float' },
  f16: { bits: 16, kind: 'float' },
  bf16: { bits: 16, kind: 'float' },
  f8e4m3: { bits: 8, kind: 'float' },
  f8e5m2: { bits: 8, kind: 'float' },
  i64: { bits: 64, kind: 'signed' },
  i32: { bits: 32, kind: 'signed' },
  i16: { bits: 16, kind: 'signed' },
  i8: { bits: 8, kind: 'signed' },
  i4: { bits: 4, kind: 'signed' },
  u64: { bits: 64, kind: 'unsigned' },
  u32: { bits: 32, kind: 'unsigned' },
  u16: { bits: 16, kind: 'unsigned' },
  u8: { bits: 8, kind: 'unsigned' },
  u7: { bits: 7, kind: 'unsigned' },
  u6: { bits: 6, kind: 'unsigned' },
  u5: { bits: 5, kind: 'unsigned' },
  u4: { bits: 4, kind: 'unsigned' },
  u3: { bits: 3, kind: 'unsigned' },
  u2: { bits: 2, kind: 'unsigned' },
  u1: { bits: 1, kind: 'unsigned' },
  bool: { bits: 8, kind: 'unsigned' },
  /** Powers of two alone: value = 2^(code − 127). */
  f8e8m0: { bits: 8, kind: 'float' },
  /** Those below are stored and copied; nothing computes with them. */
  c64: { bits: 64, kind: 'opaque' },
  f8e4m3fnuz: { bits: 8, kind: 'opaque' },
  f8e5m2fnuz: { bits: 8, kind: 'opaque' },
  f6e2m3: { bits: 6, kind: 'opaque' },
  f6e3m2: { bits: 6, kind: 'opaque' },
  f4: { bits: 4, kind: 'opaque' },
} as const satisfies Record<string, { bits: number; kind: 'float' | 'signed' | 'unsigned' | 'opaque' }>

export type DType = keyof typeof DTYPES
export type Shape = readonly number[]

/** Whether a name is a dtype of this package. */
export const isDType = (name: unknown): name is DType => typeof name === 'string' && Object.hasOwn(DTYPES, name)

/** Number of elements of a shape; 1 for a scalar. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, extent) => product * extent, 1)

/** Bytes that a dense tensor takes: ⌈size · bits / 8⌉. */
export const bytesOf = (dtype: DType, shape: Shape): number => Math.ceil((sizeOf(shape) * DTYPES[dtype].bits) / 8)
