import { backend_util } from '@tensorflow/tfjs-core'
import type { Shape } from './trace-types.js'

export function sizeOf(shape: Shape): number {
  let size = 1
  for (const length of shape) size *= length
  return size
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false
  return true
}

/** The shape of an elementwise result. */
export function broadcastShape(a: Shape, b: Shape): Shape {
  return sameShape(a, b) ? a : backend_util.assertAndGetBroadcastShape([...a], [...b])
}

/** Attribute text of a slice, which rewrites recognise. */
export const sliceKey = (begin: Shape, size: Shape) => `${begin}:${size}`

/** A shape of the same rank with one element. */
export function ones(shape: Shape): Shape {
  return shape.map(() => 1)
}
