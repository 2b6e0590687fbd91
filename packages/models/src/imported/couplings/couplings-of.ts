import type { Coupling, Member, Rescaling, WholeUnits } from '@tersor/core'
import { freeName } from '@tersor/formats/internal/files/free-name'
import { factorsOf } from './factors.js'
import type { Labels } from './label-nodes.js'
import { placesOf, type Place } from './members-of.js'
import { keepUntold } from './told-apart.js'
import { leavesOf, protect, unitsOn, type Units } from './units.js'

/** The couplings of a graph, the units that each of them is, and what stays whole. */
export interface GraphCouplings {
  readonly couplings: readonly Coupling[]
  readonly unitsOf: ReadonlyMap<Units, Coupling>
  readonly whole: readonly WholeUnits[]
}

/** Where units stand as a span; what is usual is left out. */
const memberOf = ({ parameter, axis, role, span: { start, size, repeats } }: Place, isRepeated: boolean): Member => ({
  ...{ parameter, axis, role },
  ...(start > 0 ? { start } : {}),
  ...(size > 1 ? { size } : {}),
  ...(repeats > 1 && isRepeated ? { repeats } : {}),
})

/** In which order a coupling lists its members. */
const ROLES: readonly Member['role'][] = ['writes', 'carries', 'reads']

/** What root-mean-square norms over a narrower stream multiply by, by the units that these run over; others stay whole. */
const rescaledOf = ({ norms = [] }: Labels): ReadonlyMap<Units, readonly Rescaling[]> => {
  const all = new Map<Units, Rescaling[]>()
  for (const { axis, weight } of norms) {
    const [{ units, extent } = { units: undefined, extent: 0 }, ...others] = factorsOf(axis)
    if (!units || others.length > 0) protect(axis, 'a norm runs over them with others')
    else all.set(units, [...(all.get(units) ?? []), { parameter: weight, axis: 0, count: extent!, power: -1 / 2 }])
  }
  return all
}

/** Weights that make what they read: those of a stream may, such as a table that is the head too. */
const keepLoops = ({ weights: { bound } }: Labels, streams: ReadonlyMap<Units, unknown>): void => {
  for (const [weight, axes] of bound)
    for (const { axis, isLoop } of axes.values())
      if (isLoop && !unitsOn(axis).every(units => streams.has(units))) protect(axis, `"${weight}" makes and reads them`)
}

/** The units that others stand within wherever they stand, each with as many of its own; undefined where they stand otherwise somewhere. */
const outerOf = (places: readonly Place[]): Units | undefined => {
  const [{ within }] = places
  const { repeats = 1 } = places[0].span
  const isSame = within && places.every(each => each.within === within && each.span.size > 1 && each.span.repeats === repeats)
  return isSame && repeats === within.count ? within : undefined
}

interface Found {
  readonly labels: Labels
  readonly places: ReadonlyMap<Units, readonly Place[]>
  readonly streams: ReadonlyMap<Units, readonly Rescaling[]>
  readonly unitsOf: Map<Units, Coupling>
}

const couplingOf = (units: Units, weight: string, names: Set<string>, { labels, places, streams, unitsOf }: Found): Coupling => {
  const own = places.get(units)!
  const outer = outerOf(own)
  const rescaled = streams.get(units)
  const groups = outer && { count: outer.count, coupling: unitsOf.get(outer) }
  const usual = labels.weights.shapeOf(weight)!.length > 2 ? 'channels' : 'neurons'
  const isInHeads = own.some(({ within }) => within?.heads)
  const kind = rescaled ? 'stream' : outer?.heads ? 'queries' : units.heads ? 'heads' : isInHeads ? 'sizes' : usual
  const name = freeName(`${weight}.${kind}`, names)
  names.add(name)
  const members = ROLES.flatMap(role => own.filter(place => place.role === role)).map(place => memberOf(place, !groups))
  return {
    ...{ name, kind, units: units.count * (groups?.count ?? 1), members },
    ...(groups ? { perGroup: units.count, ...(groups.coupling ? { within: groups.coupling.name } : {}) } : {}),
    ...(rescaled ? { rescaled } : {}),
  }
}

/** What the labels of a graph say: couplings, in the order in which their units are made, named by the first weight that makes them. */
export const couplingsOf = (labels: Labels): GraphCouplings => {
  const { weights } = labels
  const streams = rescaledOf(labels)
  keepLoops(labels, streams)
  const places = placesOf(weights)
  keepUntold(weights, places)
  const couplings: Coupling[] = []
  const unitsOf = new Map<Units, Coupling>()
  const whole: WholeUnits[] = []
  const names = new Set<string>()
  const seen = new Set<Units>()
  const reasonOf = (units: Units): string | undefined => {
    const isRead = (places.get(units) ?? []).some(({ role }) => role === 'reads') || (streams.has(units) && places.has(units))
    return units.reason ?? (isRead ? undefined : 'no weight reads them')
  }
  for (const { units: made, weight } of weights.units) {
    const leaves = [...new Set(leavesOf(made))].filter(({ count }) => count > 1)
    const own = leaves.filter(each => !seen.has(each))
    leaves.forEach(each => seen.add(each))
    for (const units of own.filter(each => reasonOf(each) === undefined)) {
      const coupling = couplingOf(units, weight, names, { labels, places, streams, unitsOf })
      couplings.push(coupling)
      unitsOf.set(units, coupling)
    }
    if (own.length > 0 && leaves.every(each => reasonOf(each) !== undefined))
      whole.push({ weight, units: made.count, reason: reasonOf(leaves[0])! })
  }
  return { couplings, unitsOf, whole }
}
