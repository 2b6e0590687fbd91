import { largestMagnitude } from '@tersor/kernels/floats'
import { BLOCK_TYPES, quantizeBlocks } from '@tersor/kernels/blocks'
import { roomForThreads } from '@tersor/kernels/pool'
import { bf16CodesOf, dense, finiteRange, notFiniteAt, sizeOf, toFloat32, type Dense, type Shape } from '@tersor/tensor'
import type { BlockTypeName } from './tables/tensor-types.js'

/** A matrix as it is stored, or as it was decoded. */
export type MatrixValues = Dense | Float32Array

/** Values that are looked at at once: a large matrix that is stored otherwise is never in memory as float32. */
const VALUES_AT_ONCE = 2 ** 22

/** As kernels take them: float32, or the codes of bf16. */
const valuesOf = (values: MatrixValues, from: number, to: number): Float32Array | Uint16Array => {
  if (values instanceof Float32Array) return values.subarray(from, to)
  const width = values.bytes.byteLength / sizeOf(values.shape)
  const part = dense(values.dtype, [to - from], values.bytes.subarray(from * width, to * width))
  return values.dtype === 'bf16' ? bf16CodesOf(part) : toFloat32(part)
}

export const floatsOf = (values: MatrixValues): Float32Array => (values instanceof Float32Array ? values : toFloat32(values))

/** The largest magnitude. Throws NOT_FINITE, by name and place, for NaN and infinite values. */
export const largestOf = async (name: string, values: MatrixValues, shape: Shape, atOnce = VALUES_AT_ONCE): Promise<number> => {
  let most = 0
  for (let at = 0, size = sizeOf(shape); at < size; at += atOnce)
    most = Math.max(most, await largestMagnitude(valuesOf(values, at, Math.min(size, at + atOnce))))
  if (most < Infinity) return most
  const floats = floatsOf(values)
  const { bad } = finiteRange(floats)
  throw notFiniteAt(name, floats[bad], bad, shape)
}

/** Finite rows of so many columns as blocks, some rows at once: beside values and blocks, memory holds 16 MiB of float32 and as much for threads. */
export const encodeRows = async (
  type: BlockTypeName,
  values: MatrixValues,
  shape: Shape,
  columns: number,
  largest: number,
  importance?: Float32Array,
  atOnce = VALUES_AT_ONCE,
): Promise<Uint8Array> => {
  const size = sizeOf(shape)
  const step = Math.max(1, Math.floor(atOnce / columns)) * columns
  const options = { largest, ...(importance ? { importance } : {}) }
  const { block, bytes } = BLOCK_TYPES[type]
  const blocks = new Uint8Array(roomForThreads((size / block) * bytes))
  for (let at = 0; at < size; at += step) {
    const end = Math.min(size, at + step)
    const into = blocks.subarray((at / block) * bytes, (end / block) * bytes)
    await quantizeBlocks(type, valuesOf(values, at, end), { ...options, into })
  }
  return blocks
}
