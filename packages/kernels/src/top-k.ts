import { nthElement } from './nth-element.js'

/**
 * Gives the positions of the k largest values, largest first; among equal values the first positions win, and NaN counts as smallest.
 * Cost: linear in the number of values, plus sorting k.
 */
export function topK(values: Float32Array, k: number): Int32Array {
  const count = Math.min(Math.max(0, Math.trunc(k)), values.length)
  if (count === 0) return new Int32Array(0)
  const ordered = values.map(value => (Number.isNaN(value) ? -Infinity : value))
  const threshold = nthElement(ordered.slice(), values.length - count)
  const chosen: number[] = []
  for (let at = 0; at < ordered.length; at++) if (ordered[at] > threshold) chosen.push(at)
  for (let at = 0; at < ordered.length && chosen.length < count; at++) if (ordered[at] === threshold) chosen.push(at)
  return Int32Array.from(chosen.sort((a, b) => ordered[b] - ordered[a] || a - b))
}
