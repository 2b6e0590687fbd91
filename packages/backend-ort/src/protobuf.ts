const VARINT = 0
const DELIMITED = 2
const FIXED32 = 5
const text = new TextEncoder()

/** Base-128 little-endian groups; negative numbers take ten bytes, as protobuf's int64 does. */
function varint(value: number): Uint8Array {
  if (value >= 0 && value < 128) return Uint8Array.of(value)
  const out: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest >= 128n) {
    out.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Uint8Array.from(out)
}

/** Joins byte strings. */
export function bytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

const tag = (field: number, wire: number) => varint((field << 3) | wire)

/** Field that holds a whole number. */
export function fieldVarint(field: number, value: number): Uint8Array {
  return bytes(tag(field, VARINT), varint(value))
}

/** Field that holds bytes or a message. */
export function fieldBytes(field: number, value: Uint8Array): Uint8Array {
  return bytes(tag(field, DELIMITED), varint(value.length), value)
}

export function fieldText(field: number, value: string): Uint8Array {
  return fieldBytes(field, text.encode(value))
}

export function fieldFloat(field: number, value: number): Uint8Array {
  return bytes(tag(field, FIXED32), new Uint8Array(Float32Array.of(value).buffer))
}
