import type { GgufValue, Metadata, Scalar } from './header.js'
import { TENSOR_TYPES, type TensorTypeName } from './tables/tensor-types.js'
import { LIST_ID, VALUE_TYPES, type ValueType } from './tables/value-types.js'

/** A tensor as the header lists it; the offset counts from the start of the data. */
export interface TensorInfo {
  readonly name: string
  readonly type: TensorTypeName
  readonly shape: readonly number[]
  readonly offset: number
}

/** What readers assume where general.alignment is absent. */
export const ALIGNMENT = 32

export const aligned = (position: number): number => Math.ceil(position / ALIGNMENT) * ALIGNMENT

const MAGIC_AND_VERSION = [0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0]

const WRITERS: Readonly<Record<Exclude<ValueType, 'string'>, (view: DataView, value: Scalar) => void>> = {
  u8: (view, value) => view.setUint8(0, Number(value)),
  i8: (view, value) => view.setInt8(0, Number(value)),
  u16: (view, value) => view.setUint16(0, Number(value), true),
  i16: (view, value) => view.setInt16(0, Number(value), true),
  u32: (view, value) => view.setUint32(0, Number(value), true),
  i32: (view, value) => view.setInt32(0, Number(value), true),
  f32: (view, value) => view.setFloat32(0, Number(value), true),
  bool: (view, value) => view.setUint8(0, value ? 1 : 0),
  u64: (view, value) => view.setBigUint64(0, BigInt(value), true),
  i64: (view, value) => view.setBigInt64(0, BigInt(value), true),
  f64: (view, value) => view.setFloat64(0, Number(value), true),
}

const scalar = (type: ValueType, value: Scalar): Uint8Array => {
  if (type === 'string') {
    const text = new TextEncoder().encode(String(value))
    const bytes = new Uint8Array(8 + text.length)
    bytes.set(scalar('u64', text.length))
    bytes.set(text, 8)
    return bytes
  }
  const bytes = new Uint8Array(VALUE_TYPES[type].bytes)
  WRITERS[type](new DataView(bytes.buffer), value)
  return bytes
}

const value = (entry: GgufValue): readonly Uint8Array[] =>
  entry.type === 'list'
    ? [
        scalar('u32', LIST_ID),
        scalar('u32', VALUE_TYPES[entry.of].id),
        scalar('u64', entry.value.length),
        ...entry.value.map(item => scalar(entry.of, item)),
      ]
    : [scalar('u32', VALUE_TYPES[entry.type].id), scalar(entry.type, entry.value)]

const info = ({ name, type, shape, offset }: TensorInfo): readonly Uint8Array[] => [
  scalar('string', name),
  scalar('u32', shape.length),
  ...shape.toReversed().map(extent => scalar('u64', extent)),
  scalar('u32', TENSOR_TYPES[type].id),
  scalar('u64', offset),
]

/** The header of a GGUF file, padded so that the data may follow. */
export const encodeGgufHeader = (metadata: Metadata, tensors: readonly TensorInfo[]): Uint8Array => {
  const pieces = [
    Uint8Array.from(MAGIC_AND_VERSION),
    scalar('u64', tensors.length),
    scalar('u64', metadata.size),
    ...[...metadata].flatMap(([key, entry]) => [scalar('string', key), ...value(entry)]),
    ...tensors.flatMap(info),
  ]
  const bytes = new Uint8Array(aligned(pieces.reduce((sum, piece) => sum + piece.length, 0)))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}
