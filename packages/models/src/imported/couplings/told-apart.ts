import type { Place } from './members-of.js'
import { unitsOn, type Units } from './units.js'
import type { WeightLabels } from './weight-labels.js'

/** Those of some units whose number follows from how long the axes of weights are, one after the other. */
const told = (open: ReadonlySet<Units>, axes: readonly (readonly Units[])[]): ReadonlySet<Units> => {
  const known = new Set<Units>()
  for (let before = -1; before !== known.size;) {
    before = known.size
    for (const on of axes) {
      const asked = new Set(on.filter(units => open.has(units) && !known.has(units)))
      if (asked.size === 1) known.add([...asked][0])
    }
  }
  return known
}

/** Keeps units whole whose number no shape of a weight would tell: of two that stand within each other on every axis, the inner ones. */
export const keepUntold = ({ bound }: WeightLabels, places: ReadonlyMap<Units, readonly Place[]>): void => {
  const axes = [...bound.values()].flatMap(each => [...each.values()].map(({ axis }) => unitsOn(axis)))
  const open = new Set([...places.keys()].filter(({ reason }) => reason === undefined))
  for (;;) {
    const known = told(open, axes)
    const rest = [...open].filter(units => !known.has(units))
    const inner = rest.find(units => places.get(units)!.some(({ within }) => within && open.has(within))) ?? rest.at(0)
    if (!inner) return
    inner.reason = 'no weight tells their number by itself'
    open.delete(inner)
  }
}
