import type { Member, Span } from '@tersor/core'
import { factorsOf, factorsOfRun, productOf, type Factor } from './factors.js'
import { flatRuns, lengthOf, protect, type Axis, type Units } from './units.js'
import type { WeightLabels } from './weight-labels.js'

/** Units on an axis: where, and the units that they stand within there. */
export interface Standing {
  readonly units: Units
  readonly span: Required<Pick<Span, 'start' | 'size' | 'repeats'>>
  readonly within?: Units
}

/** What stands there of factors that begin at a place; what stands side by side within others stays whole, since no span tells it. */
const ofFactors = (factors: readonly Factor[], start: number): readonly Standing[] =>
  factors.flatMap(({ units, axis }, i) => {
    if (axis) protect(axis, 'they stand side by side within others')
    if (!units) return []
    const [size, repeats] = [productOf(factors.slice(i + 1))!, productOf(factors.slice(0, i))!]
    const outer = factors[i - 1]?.units
    return [{ units, span: { start, size, repeats }, ...(outer ? { within: outer } : {}) }]
  })

/** All that stand on an axis of a weight. */
export const standingOn = (axis: Axis): readonly Standing[] => {
  if (axis.parts) return ofFactors(factorsOf(axis), 0)
  let start = 0
  return flatRuns(axis).flatMap(run => {
    const from = start
    start += lengthOf(run)
    return ofFactors(factorsOfRun(run), from)
  })
}

/** Where units stand on a weight. */
export interface Place extends Standing {
  readonly parameter: string
  readonly axis: number
  readonly role: Member['role']
}

/** Where units stand on weights, by their roots. */
export const placesOf = ({ bound }: WeightLabels): ReadonlyMap<Units, readonly Place[]> => {
  const places = new Map<Units, Place[]>()
  for (const [parameter, axes] of bound)
    for (const [axis, { axis: to, role }] of axes)
      for (const standing of standingOn(to)) {
        const place = { ...standing, parameter, axis, role }
        const known = places.get(standing.units)
        if (known) known.push(place)
        else places.set(standing.units, [place])
      }
  return places
}
