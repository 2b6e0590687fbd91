import { joined } from '../message.js'

const HEADER = 4

/** A message behind its length, for streams that do not keep messages apart. */
export const framed = (bytes: Uint8Array): Uint8Array => {
  const whole = new Uint8Array(HEADER + bytes.byteLength)
  new DataView(whole.buffer).setUint32(0, bytes.byteLength, true)
  whole.set(bytes, HEADER)
  return whole
}

/** Takes a stream in pieces of any length, which it copies where it keeps them, and calls back for each whole message. */
export const frameReader = (take: (bytes: Uint8Array) => void): ((piece: Uint8Array) => void) => {
  let [pieces, held]: [Uint8Array[], number] = [[], 0]
  const lengthOf = (): number => {
    if (pieces[0].byteLength < HEADER) pieces = [joined(pieces)]
    return new DataView(pieces[0].buffer, pieces[0].byteOffset).getUint32(0, true)
  }
  return piece => {
    pieces.push(new Uint8Array(piece)) // a Buffer's own slice would not copy
    held += piece.byteLength
    while (held >= HEADER) {
      const length = lengthOf()
      if (held < HEADER + length) return
      const all = pieces.length === 1 ? pieces[0] : joined(pieces)
      take(all.slice(HEADER, HEADER + length))
      pieces = [all.subarray(HEADER + length)]
      held = all.byteLength - HEADER - length
    }
  }
}
