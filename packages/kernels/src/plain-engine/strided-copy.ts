import type { TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { roomFor, type Values } from './plain-kernel.js'

/** An axis of a copy: its extent, and how far apart its places stand in what is read and in what is written. */
export interface CopiedAxis {
  readonly extent: number
  readonly from: number
  readonly to: number
}

/** How far apart the places of each axis stand in a dense array. */
export const stridesOf = (shape: readonly number[]): number[] => {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1]
  return strides
}

/** Fewer and longer axes: those of one place are left out, those that go on where the next ends are one with it. */
const merged = (axes: readonly CopiedAxis[]): CopiedAxis[] => {
  const left: CopiedAxis[] = []
  for (const axis of axes) {
    if (axis.extent === 1) continue
    const outer = left.at(-1)
    const goesOn = outer !== undefined && outer.from === axis.extent * axis.from && outer.to === axis.extent * axis.to
    if (goesOn) left[left.length - 1] = { ...axis, extent: outer.extent * axis.extent }
    else left.push(axis)
  }
  return left
}

const copyPlane = (source: Values, target: Values, rows: CopiedAxis, columns: CopiedAxis, from: number, to: number) => {
  const [{ extent: height }, { extent: width, from: step, to: stride }] = [rows, columns]
  for (let row = 0, start = from, place = to; row < height; row++, start += rows.from, place += rows.to)
    for (let column = 0, read = start, write = place; column < width; column++, read += step, write += stride) target[write] = source[read]
}

/**
 * Copies by strides, which is what slices, transpositions, repetitions and paddings are: target[to + Σ iₐ·toₐ] = source[from + Σ iₐ·fromₐ]
 * for all places i. A stride of 0 reads the same value again.
 */
export const copyStrided = (source: Values, target: Values, axes: readonly CopiedAxis[], from = 0, to = 0): void => {
  const one = { extent: 1, from: 0, to: 0 }
  const all = [one, one, ...merged(axes)]
  const last = all.length - 2
  const copy = (axis: number, read: number, write: number): void => {
    if (axis === last) return copyPlane(source, target, all[last], all[last + 1], read, write)
    const { extent, from: step, to: stride } = all[axis]
    for (let i = 0; i < extent; i++) copy(axis + 1, read + i * step, write + i * stride)
  }
  if (axes.every(({ extent }) => extent > 0)) copy(0, from, to)
}

/** A dense array of the shape, read by the strides of each of its axes. */
export const readStrided = (
  source: Values,
  dtype: TensorInfo['dtype'],
  shape: readonly number[],
  from: readonly number[],
  start = 0,
): Values => {
  const [target, to] = [roomFor(dtype, sizeOf(shape)), stridesOf(shape)]
  copyStrided(
    source,
    target,
    shape.map((extent, axis) => ({ extent, from: from[axis], to: to[axis] })),
    start,
  )
  return target
}
