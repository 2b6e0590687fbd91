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

const WRITERS: Readonly<Record<Exclude<ValueType, 'string'>, (view: DataView, at: number, value: Scalar) => void>> = {
  u8: (view, at, value) => view.setUint8(at, Number(value)),
  i8: (view, at, value) => view.setInt8(at, Number(value)),
  u16: (view, at, value) => view.setUint16(at, Number(value), true),
  i16: (view, at, value) => view.setInt16(at, Number(value), true),
  u32: (view, at, value) => view.setUint32(at, Number(value), true),
  i32: (view, at, value) => view.setInt32(at, Number(value), true),
  f32: (view, at, value) => view.setFloat32(at, Number(value), true),
  bool: (view, at, value) => view.setUint8(at, value ? 1 : 0),
  u64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  i64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  f64: (view, at, value) => view.setFloat64(at, Number(value), true),
}

/** Bytes that values are written to one behind the other. */
interface Writer {
  write(type: ValueType, value: Scalar): void
  /** All of them, and zeros up to the alignment. */
  bytes(): Uint8Array
}

const writer = (): Writer => {
  const encoder = new TextEncoder()
  let [room, at] = [new Uint8Array(2 ** 16), 0]
  let view = new DataView(room.buffer)
  /** Makes room for so many bytes more. */
  const reserve = (bytes: number): void => {
    if (at + bytes <= room.length) return
    const larger = new Uint8Array(2 * (at + bytes))
    larger.set(room)
    room = larger
    view = new DataView(room.buffer)
  }
  const text = (value: string): void => {
    reserve(8 + 3 * value.length)
    const { written } = encoder.encodeInto(value, room.subarray(at + 8))
    WRITERS.u64(view, at, written)
    at += 8 + written
  }
  return {
    write: (type, value) => {
      if (type === 'string') return text(String(value))
      const { bytes } = VALUE_TYPES[type]
      reserve(bytes)
      WRITERS[type](view, at, value)
      at += bytes
    },
    bytes: () => {
      reserve(ALIGNMENT)
      return room.slice(0, aligned(at))
    },
  }
}

const writeValue = ({ write }: Writer, entry: GgufValue): void => {
  if (entry.type !== 'list') {
    write('u32', VALUE_TYPES[entry.type].id)
    return write(entry.type, entry.value)
  }
  write('u32', LIST_ID)
  write('u32', VALUE_TYPES[entry.of].id)
  write('u64', entry.value.length)
  for (const item of entry.value) write(entry.of, item)
}

const writeInfo = ({ write }: Writer, { name, type, shape, offset }: TensorInfo): void => {
  write('string', name)
  write('u32', shape.length)
  for (const extent of shape.toReversed()) write('u64', extent)
  write('u32', TENSOR_TYPES[type].id)
  write('u64', offset)
}

/** The header of a GGUF file, padded so that the data may follow. */
export const encodeGgufHeader = (metadata: Metadata, tensors: readonly TensorInfo[]): Uint8Array => {
  const to = writer()
  for (const byte of MAGIC_AND_VERSION) to.write('u8', byte)
  to.write('u64', tensors.length)
  to.write('u64', metadata.size)
  for (const [key, entry] of metadata) {
    to.write('string', key)
    writeValue(to, entry)
  }
  for (const tensor of tensors) writeInfo(to, tensor)
  return to.bytes()
}
