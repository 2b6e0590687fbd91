import { badFile } from '../files/bad-file.js'
import { parseText } from '../files/json-text.js'
import { VALUE_TYPES, type ValueType } from './tables/value-types.js'

/** No name, token or chat template comes near this. */
export const MAX_STRING_BYTES = 16 << 20

/** Reads the bytes of a header in order. */
export interface Cursor {
  position(): number
  /** Whether `bytes` more bytes can be in the file at all; throws BAD_FILE where not, before anything is allocated. */
  expect(bytes: number, what: string): void
  read(type: Exclude<ValueType, 'string'>, what: string): number | bigint | boolean
  string(what: string): string
  /** Passes over bytes; returns where they start. */
  take(bytes: number, what: string): number
}

/** Thrown where the header goes on beyond the bytes at hand, though not beyond the file. */
export const NEEDS_MORE = Symbol('needs more')

const READERS: Readonly<Record<Exclude<ValueType, 'string'>, (view: DataView, at: number) => number | bigint | boolean>> = {
  u8: (view, at) => view.getUint8(at),
  i8: (view, at) => view.getInt8(at),
  u16: (view, at) => view.getUint16(at, true),
  i16: (view, at) => view.getInt16(at, true),
  u32: (view, at) => view.getUint32(at, true),
  i32: (view, at) => view.getInt32(at, true),
  f32: (view, at) => view.getFloat32(at, true),
  bool: (view, at) => view.getUint8(at) !== 0,
  u64: (view, at) => view.getBigUint64(at, true),
  i64: (view, at) => view.getBigInt64(at, true),
  f64: (view, at) => view.getFloat64(at, true),
}

/** A cursor over the first bytes of a file of `fileSize` bytes. */
export const createCursor = (bytes: Uint8Array, fileSize: number): Cursor => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const expect = (length: number, what: string): void => {
    if (length > fileSize - at)
      throw badFile(`${what} needs ${length} bytes from byte ${at} on; the file has ${fileSize}.`, undefined, { at, fileSize })
  }
  const take = (length: number, what: string): number => {
    expect(length, what)
    if (at + length > bytes.byteLength) throw NEEDS_MORE
    at += length
    return at - length
  }
  const read: Cursor['read'] = (type, what) => READERS[type](view, take(VALUE_TYPES[type].bytes, what))
  return Object.freeze({
    position: () => at,
    expect,
    read,
    take,
    string: (what: string) => {
      const length = Number(read('u64', what))
      expect(length, what)
      if (length > MAX_STRING_BYTES) throw badFile(`${what} claims ${length} bytes; at most ${MAX_STRING_BYTES} are read.`)
      const start = take(length, what)
      return parseText(bytes.subarray(start, start + length), what)
    },
  })
}
