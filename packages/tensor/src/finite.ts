import type { Shape } from './dtype.js'
import { CompressionError } from './errors.js'

/** The first value that is NaN or infinite, or −1, and the largest magnitude of the values before it. */
export const finiteRange = (values: ArrayLike<number>): { readonly bad: number; readonly largest: number } => {
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i])
    if (!(magnitude < Infinity)) return { bad: i, largest }
    if (magnitude > largest) largest = magnitude
  }
  return { bad: -1, largest }
}

/** Where a value stands, axis by axis: place 5 of (2, 3) is [1, 2]. */
export const placeOf = (at: number, shape: Shape): readonly number[] => {
  const place: number[] = []
  let rest = at
  for (const extent of shape.toReversed()) {
    place.unshift(rest % extent)
    rest = Math.floor(rest / extent)
  }
  return place
}

/** Throws NOT_FINITE, saying whose values they are and where, at the first one that is NaN or infinite; gives the largest magnitude. */
export const requireFinite = (name: string, values: ArrayLike<number>, shape: Shape): number => {
  const { bad, largest } = finiteRange(values)
  if (bad < 0) return largest
  const place = placeOf(bad, shape)
  throw new CompressionError(
    'NOT_FINITE',
    `"${name}" holds ${values[bad]} at [${place.join(', ')}].`,
    'It cannot be rounded to another type: repair the weights first, or leave this one as it is.',
    { name, place, value: values[bad] },
  )
}
