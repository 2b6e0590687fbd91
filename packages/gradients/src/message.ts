import { bytesOf, CompressionError, dense, type Dense, type DType, type Shape } from '@tersor/tensor'

/** Typed bytes by name. */
export type Message = Readonly<Record<string, Dense>>

/** One part of a message. */
export interface Part {
  readonly dtype: DType
  readonly shape: Shape
  /** Whether its length hangs on what is sent, so that four bytes before it tell it; the shape is the longest then. */
  readonly varies?: boolean
}

/** The form of a message, which both sides know: only the bytes travel. */
export type Layout = Readonly<Record<string, Part>>

export const LENGTH = 4

/** Those of a message, or of the longest where parts vary. */
export const bytesOfLayout = (layout: Layout): number =>
  Object.values(layout).reduce((sum, { dtype, shape, varies }) => sum + bytesOf(dtype, shape) + (varies ? LENGTH : 0), 0)

const plain = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

export const floats = (values: Float32Array): Dense => dense('f32', [values.length], plain(values))
export const integers = (values: Int32Array): Dense => dense('i32', [values.length], plain(values))
export const octets = (bytes: Uint8Array): Dense => dense('u8', [bytes.length], bytes)
export const number = (value: number): Dense => floats(Float32Array.of(value))

export const floatsOf = ({ bytes }: Dense): Float32Array => new Float32Array(bytes.slice().buffer)
export const integersOf = ({ bytes }: Dense): Int32Array => new Int32Array(bytes.slice().buffer)
export const numberOf = (part: Dense): number => floatsOf(part)[0]

/** Lists one behind the other, one at least. */
export const joined = <T extends Float32Array | Uint8Array>(parts: readonly T[]): T => {
  const all = new (parts[0].constructor as new (length: number) => T)(parts.reduce((sum, { length }) => sum + length, 0))
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0)
  return all
}

/** A length before what it is of. */
export const lengthBytes = (length: number): Uint8Array => {
  const bytes = new Uint8Array(LENGTH)
  new DataView(bytes.buffer).setUint32(0, length, true)
  return bytes
}

export const lengthAt = ({ buffer, byteOffset }: Uint8Array, at = 0): number => new DataView(buffer, byteOffset + at).getUint32(0, true)

/** The bytes of one part, behind their number where that varies. */
const packed = ({ bytes }: Dense, varies: boolean | undefined): readonly Uint8Array[] =>
  varies ? [lengthBytes(bytes.byteLength), bytes] : [bytes]

/** Messages one behind the other; with their layouts where parts vary. */
export const packMessages = (messages: readonly Message[], layouts: readonly Layout[] = []): Uint8Array =>
  joined(messages.flatMap((message, i) => Object.entries(message).flatMap(([name, part]) => packed(part, layouts[i]?.[name].varies))))

const otherLength = (got: number, expected: string): CompressionError =>
  new CompressionError('PEERS_DIFFER', `Messages of ${got} bytes came where ${expected} were expected.`, 'Give all workers the same codec and the same model.', { got, expected }) // prettier-ignore

/** The messages of such forms; throws PEERS_DIFFER where there are more or fewer bytes. */
export const unpackMessages = (bytes: Uint8Array, layouts: readonly Layout[]): readonly Message[] => {
  let at = 0
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.byteLength) throw otherLength(bytes.byteLength, `${at + length} or more`)
    return bytes.subarray(at, (at += length))
  }
  const partOf = ({ dtype, shape, varies }: Part): Dense => {
    const most = bytesOf(dtype, shape)
    if (!varies) return dense(dtype, shape, take(most))
    const length = lengthAt(take(LENGTH))
    if (length > most) throw otherLength(length, `${most} or fewer`)
    return dense(dtype, [length / bytesOf(dtype, [1])], take(length))
  }
  const messages = layouts.map(layout => Object.fromEntries(Object.entries(layout).map(([name, part]) => [name, partOf(part)])))
  if (at < bytes.byteLength) throw otherLength(bytes.byteLength, String(at))
  return messages
}
