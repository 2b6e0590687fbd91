import { BLOCK } from './block-format.js'

const HALF = BLOCK / 2

/** Lays out codes of four bits: element j in the low half of byte j, element j + 16 in the high half. */
export const packNibbles = (codes: Uint8Array, from: number, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < HALF; i++) bytes[at + i] = (codes[from + i] & 15) | ((codes[from + HALF + i] & 15) << 4)
}

export const unpackNibbles = (bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void => {
  for (let i = 0; i < HALF; i++) {
    codes[to + i] = bytes[at + i] & 15
    codes[to + HALF + i] = bytes[at + i] >>> 4
  }
}

/** Codes of five bits: 32 fifth bits, element j in bit j, then the other four bits. */
export const packFives = (codes: Uint8Array, from: number, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < BLOCK; i++) bytes[at + (i >> 3)] |= ((codes[from + i] >> 4) & 1) << (i & 7)
  packNibbles(codes, from, bytes, at + 4)
}

export const unpackFives = (bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void => {
  unpackNibbles(bytes, at + 4, codes, to)
  for (let i = 0; i < BLOCK; i++) codes[to + i] |= ((bytes[at + (i >> 3)] >> (i & 7)) & 1) << 4
}

/** Codes of eight bits around 128, stored as signed bytes. */
export const packBytes = (codes: Uint8Array, from: number, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < BLOCK; i++) bytes[at + i] = codes[from + i] ^ 128
}

export const unpackBytes = (bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void => {
  for (let i = 0; i < BLOCK; i++) codes[to + i] = bytes[at + i] ^ 128
}
