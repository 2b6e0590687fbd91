import type { Coupling, Member, WholeUnits } from '@tersor/core'
import { freeName } from '@tersor/formats/internal/files/free-name'
import { lengthOf, rootOf, type Units } from './axes.js'
import type { Labels } from './label-nodes.js'

/** The couplings of a graph, the units that each of them is, and what stays whole. */
export interface GraphCouplings {
  readonly couplings: readonly Coupling[]
  readonly unitsOf: ReadonlyMap<Units, Coupling>
  readonly whole: readonly WholeUnits[]
}

/** A run among others of its axis as a span; what is usual is left out. */
const spanOf = (start: number, size: number, repeats: number) => ({
  ...(start > 0 ? { start } : {}),
  ...(size > 1 ? { size } : {}),
  ...(repeats > 1 ? { repeats } : {}),
})

/** In which order a coupling lists its members. */
const ROLES: readonly Member['role'][] = ['writes', 'carries', 'reads']

/** Where units stand on weights, by their roots. */
const membersOf = ({ weights: { bound } }: Labels): ReadonlyMap<Units, readonly Member[]> => {
  const members = new Map<Units, Member[]>()
  for (const [parameter, axes] of bound)
    for (const [axis, { axis: to, role }] of axes) {
      let start = 0
      for (const run of to.runs) {
        const root = run.units && rootOf(run.units)
        if (root) members.set(root, [...(members.get(root) ?? []), { parameter, axis, role, ...spanOf(start, run.size, run.repeats) }])
        start += lengthOf(run)
      }
    }
  return members
}

/** What the labels of a graph say: couplings, in the order in which their units are made, named by the first weight that makes them. */
export const couplingsOf = (labels: Labels): GraphCouplings => {
  const { weights } = labels
  const members = membersOf(labels)
  const makers = new Map<Units, string>()
  for (const { units, weight } of weights.units) if (!makers.has(rootOf(units))) makers.set(rootOf(units), weight)
  const couplings: Coupling[] = []
  const unitsOf = new Map<Units, Coupling>()
  const whole: WholeUnits[] = []
  const names = new Set<string>()
  for (const [units, weight] of makers) {
    const all = members.get(units) ?? []
    const isRead = all.some(({ role }) => role === 'reads')
    const reason = units.reason ?? (isRead ? undefined : 'no weight reads them')
    if (reason !== undefined) {
      whole.push({ weight, units: units.count, reason })
      continue
    }
    const kind = weights.shapeOf(weight)!.length > 2 ? 'channels' : 'neurons'
    const name = freeName(`${weight}.${kind}`, names)
    names.add(name)
    const sorted = ROLES.flatMap(role => all.filter(member => member.role === role))
    const coupling: Coupling = { name, kind, units: units.count, members: sorted }
    couplings.push(coupling)
    unitsOf.set(units, coupling)
  }
  return { couplings, unitsOf, whole }
}
