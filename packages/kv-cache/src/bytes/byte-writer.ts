import { CompressionError } from '@tersor/tensor'
import { digestOf } from './digest.js'

/** Numbers behind one another, whole ones in as few bytes as they need. */
export interface ByteWriter {
  /** A whole number from 0 on, 7 bits a byte, the lowest first. */
  whole(value: number): void
  float(value: number): void
  bytes(values: Uint8Array): void
  /** All of it with its digest behind. */
  finish(): Uint8Array
}

const DIGEST = 4

export const byteWriter = (): ByteWriter => {
  const parts: Uint8Array[] = []
  const writer: ByteWriter = {
    whole: value => {
      const made: number[] = []
      for (let left = value; ; left = Math.floor(left / 128)) {
        made.push((left % 128) + (left >= 128 ? 128 : 0))
        if (left < 128) break
      }
      parts.push(Uint8Array.from(made))
    },
    float: value => {
      const made = new Uint8Array(4)
      new DataView(made.buffer).setFloat32(0, value, true)
      parts.push(made)
    },
    bytes: values => {
      writer.whole(values.length)
      parts.push(values)
    },
    finish: () => {
      const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, DIGEST))
      let at = 0
      for (const part of parts) {
        all.set(part, at)
        at += part.length
      }
      new DataView(all.buffer).setUint32(at, digestOf(all.subarray(0, at)), true)
      return all
    },
  }
  return writer
}

export interface ByteReader {
  whole(most: number): number
  float(): number
  bytes(): Uint8Array
  /** Throws where something is left. */
  end(): void
}

/** Reads what a writer wrote; throws BAD_FILE for bytes that were cut or changed. */
export const byteReader = (all: Uint8Array, owner: string): ByteReader => {
  const damaged = (what: string): CompressionError =>
    new CompressionError('BAD_FILE', `${owner}: ${what}.`, 'Save the session again: its file was cut or changed.')
  const view = new DataView(all.buffer, all.byteOffset, all.byteLength)
  const end = all.length - DIGEST
  if (end < 0 || view.getUint32(end, true) !== digestOf(all.subarray(0, end)))
    throw damaged(`${all.length} bytes are not those that were written`)
  let at = 0
  const take = (count: number): number => {
    if (at + count > end) throw damaged(`${all.length} bytes end too early`)
    return (at += count) - count
  }
  const reader: ByteReader = {
    whole: most => {
      let value = 0
      for (let factor = 1; factor < 2 ** 42; factor *= 128) {
        const byte = all[take(1)]
        value += (byte % 128) * factor
        if (byte < 128) break
      }
      if (value > most) throw damaged(`there is ${value} where ${most} is the most`)
      return value
    },
    float: () => view.getFloat32(take(4), true),
    bytes: () => {
      const length = reader.whole(end)
      const from = take(length)
      return all.subarray(from, from + length)
    },
    end: () => {
      if (at !== end) throw damaged(`${end - at} bytes are left over`)
    },
  }
  return reader
}
