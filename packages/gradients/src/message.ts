import { bytesOf, CompressionError, dense, type Dense, type DType, type Shape } from '@tersor/tensor'

/** Typed bytes by name. */
export type Message = Readonly<Record<string, Dense>>

/** The form of a message, which both sides know: only the bytes travel. */
export type Layout = Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>

export const bytesOfLayout = (layout: Layout): number => Object.values(layout).reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, shape), 0) // prettier-ignore

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

/** Messages one behind the other. */
export const packMessages = (messages: readonly Message[]): Uint8Array =>
  joined(messages.flatMap(message => Object.values(message).map(({ bytes }) => bytes)))

/** The messages of such forms; throws PEERS_DIFFER where there are more or fewer bytes. */
export const unpackMessages = (bytes: Uint8Array, layouts: readonly Layout[]): readonly Message[] => {
  const expected = layouts.reduce((sum, layout) => sum + bytesOfLayout(layout), 0)
  if (bytes.byteLength !== expected)
    throw new CompressionError('PEERS_DIFFER', `Messages of ${bytes.byteLength} bytes came where ${expected} were expected.`, 'Give all workers the same codec and the same model.', { got: bytes.byteLength, expected }) // prettier-ignore
  let at = 0
  return layouts.map(layout =>
    Object.fromEntries(
      Object.entries(layout).map(([name, { dtype, shape }]) => {
        const length = bytesOf(dtype, shape)
        return [name, dense(dtype, shape, bytes.subarray(at, (at += length)))]
      }),
    ),
  )
}
