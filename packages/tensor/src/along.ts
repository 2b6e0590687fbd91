import { packBits, unpackBits } from './bits.js'
import { dense, type Dense } from './dense.js'
import { DTYPES, sizeOf } from './dtype.js'

type Elements = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

/** Elements of so many bytes that are moved one by one. */
const VIEWS: Readonly<Record<number, new (buffer: ArrayBufferLike, offset: number, length: number) => Elements>> = {
  1: Uint8Array,
  2: Uint16Array,
  4: Uint32Array,
  8: BigUint64Array,
}

/** A tensor as (outer, extent, inner), with the bytes of an element; those under eight bits are unpacked to a byte each. */
const layoutOf = ({ dtype, shape, bytes }: Dense, axis: number) => {
  const { bits } = DTYPES[dtype]
  const outer = sizeOf(shape.slice(0, axis))
  const inner = sizeOf(shape.slice(axis + 1))
  return {
    outer,
    extent: shape[axis],
    inner,
    width: Math.max(1, bits / 8),
    bits,
    bytes: bits < 8 ? unpackBits(bytes, bits, sizeOf(shape)) : bytes,
  }
}

/** Runs of positions that follow each other, as [first, how many]. */
const runsOf = (positions: ArrayLike<number>): readonly (readonly [first: number, count: number])[] => {
  const runs: [number, number][] = []
  for (let i = 0; i < positions.length; i++) {
    const last = runs.at(-1)
    if (last && last[0] + last[1] === positions[i]) last[1]++
    else runs.push([positions[i], 1])
  }
  return runs
}

/** Rows of single elements: what a column is of a matrix. */
const takeElements = (from: Elements, to: Elements, outer: number, extent: number, kept: ArrayLike<number>): void => {
  for (let row = 0, at = 0, start = 0; row < outer; row++, start += extent)
    for (let i = 0; i < kept.length; i++) to[at++] = from[start + kept[i]]
}

const viewOf = (bytes: Uint8Array, width: number): Elements => {
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  return new VIEWS[width](aligned.buffer, aligned.byteOffset, aligned.byteLength / width)
}

/** The positions of an axis that are named, in the order that names them, whatever the dtype: (…, extent, …) → (…, kept, …). */
export const takeAlong = (tensor: Dense, axis: number, kept: ArrayLike<number>): Dense => {
  const { outer, extent, inner, width, bits, bytes } = layoutOf(tensor, axis)
  const shape = tensor.shape.map((size, at) => (at === axis ? kept.length : size))
  const taken = new Uint8Array(sizeOf(shape) * width)
  const step = inner * width
  if (step in VIEWS) takeElements(viewOf(bytes, step), viewOf(taken, step), outer, extent, kept)
  else {
    const runs = runsOf(kept)
    for (let row = 0, at = 0; row < outer; row++)
      for (const [first, count] of runs) {
        const from = (row * extent + first) * step
        taken.set(bytes.subarray(from, from + count * step), at)
        at += count * step
      }
  }
  return dense(tensor.dtype, shape, bits < 8 ? packBits(taken, bits) : taken)
}

/** The same tensor with zeros at some positions of an axis. */
export const clearAlong = (tensor: Dense, axis: number, cleared: ArrayLike<number>): Dense => {
  const { outer, extent, inner, width, bits, bytes } = layoutOf(tensor, axis)
  const left = bits < 8 ? bytes : bytes.slice()
  const step = inner * width
  for (const [first, count] of runsOf(cleared))
    for (let row = 0; row < outer; row++) left.fill(0, (row * extent + first) * step, (row * extent + first + count) * step)
  return dense(tensor.dtype, tensor.shape, bits < 8 ? packBits(left, bits) : left)
}
