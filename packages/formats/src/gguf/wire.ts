/** A field of a message: its number, and what it holds, a varint's lowest 32 bits, a float of 32 bits, or bytes. */
export type WireField = readonly [field: number, value: number | Uint8Array]

/** A varint of 64 bits takes this many bytes at most, seven bits in each. */
const VARINT_BYTES = 10

const damaged = (): Error => new Error('The message ends in the middle of a field, or has a field of no known kind.')

/** The fields of a message of Protocol Buffers, in order. Throws an error without a code, which the reader of the file wraps. */
export const wireFields = function* (bytes: Uint8Array): Generator<WireField> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let i = 0; i < VARINT_BYTES && at < bytes.length; i++) {
      const byte = bytes[at++]
      if (i < 5) value |= (byte & 127) << (7 * i)
      if (byte < 128) return value
    }
    throw damaged()
  }
  const take = (length: number): number => {
    const start = at
    at += length
    if (length < 0 || at > bytes.length) throw damaged()
    return start
  }
  const piece = (length: number): Uint8Array => {
    const start = take(length)
    return bytes.subarray(start, at)
  }
  const kinds: Readonly<Record<number, () => number | Uint8Array>> = {
    0: varint,
    1: () => piece(8),
    2: () => piece(varint()),
    5: () => view.getFloat32(take(4), true),
  }
  while (at < bytes.length) {
    const tag = varint() >>> 0
    const read = kinds[tag & 7]
    if (tag < 8 || !read) throw damaged()
    yield [tag >>> 3, read()]
  }
}
