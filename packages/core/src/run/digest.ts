import type { OutlineLeaf } from '@tersor/tensor'

const hexOf = (bytes: ArrayBuffer): string => Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, '0')).join('')

/** Longer bytes are hashed in pieces, several at once on the platform's own threads. */
const PIECE_BYTES = 4 << 20
const AT_ONCE = 4

export interface Digests {
  /** Of the bytes, or, where they are longer than a piece, of the digests of their pieces. */
  of(bytes: Uint8Array): Promise<string>
  /** The same of so many bytes that are read. */
  ofRead(bytes: number, read: OutlineLeaf['read']): Promise<string>
}

/** The platform takes no memory that threads share. */
const plain = (part: Uint8Array): Uint8Array<ArrayBuffer> =>
  part.buffer instanceof ArrayBuffer ? (part as Uint8Array<ArrayBuffer>) : part.slice()

const digest = async (part: Uint8Array): Promise<string> => hexOf(await crypto.subtle.digest('SHA-256', plain(part)))

/** SHA-256, hexadecimal; memory is 16 MiB, one call after the other. */
export const sha256Digests = (piece = PIECE_BYTES): Digests => {
  const rooms: Uint8Array[] = []
  const ofRead: Digests['ofRead'] = async (bytes, read) => {
    const digests: string[] = []
    let next = 0
    const hash = async (room: Uint8Array): Promise<void> => {
      for (let at = next++; at * piece < bytes; at = next++)
        digests[at] = await digest(await read(at * piece, Math.min(piece, bytes - at * piece), room))
    }
    if (bytes <= piece) return digest(await read(0, bytes))
    const workers = Array.from({ length: AT_ONCE }, (_, lane) => hash((rooms[lane] ??= new Uint8Array(piece))))
    await Promise.allSettled(workers) // nobody reads any more when one has failed
    await Promise.all(workers)
    return digest(new TextEncoder().encode(digests.join('')))
  }
  return { of: bytes => ofRead(bytes.byteLength, async (at, length) => bytes.subarray(at, at + length)), ofRead }
}
