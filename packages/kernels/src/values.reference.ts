import * as tf from '@tensorflow/tfjs-core'

/** How many cases a property tries: all of them in the slow run, a fifth otherwise. */
export const runs = (all: number): number => (process.env.TERSOR_SLOW === '1' ? all : all / 5)

/** Deterministic values in (−1, 1). */
export function values(length: number, seed = 1): Float32Array {
  let state = seed * 7919 + 13
  const made = new Float32Array(length)
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    made[at] = (state / 0x7fffffff) * 2 - 1
  }
  return made
}

export const tensor = (shape: number[], seed?: number) => tf.tensor(values(tf.util.sizeFromShape(shape), seed), shape)
export const positive = (shape: number[], seed?: number) =>
  tf.tensor(
    values(tf.util.sizeFromShape(shape), seed).map(value => Math.abs(value) + 0.1),
    shape,
  )

/** The largest difference relative to the largest value; infinities and NaN must stand in the same places. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let difference = 0
  let largest = 0
  for (let index = 0; index < a.length; index++) {
    const x = a[index]
    const y = b[index]
    if (Object.is(x, y) || x === y) largest = Math.max(largest, Number.isFinite(x) ? Math.abs(x) : 0)
    else if (!Number.isFinite(x) || !Number.isFinite(y)) return Infinity
    else {
      difference = Math.max(difference, Math.abs(x - y))
      largest = Math.max(largest, Math.abs(x))
    }
  }
  return difference === 0 ? 0 : difference / Math.max(largest, 1e-30)
}
