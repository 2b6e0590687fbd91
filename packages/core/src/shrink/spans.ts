import type { Coupling, Span } from '../model/coupling.js'

/** The unit that stands at each position of an axis, −1 where none does. */
export const unitsAlong = (span: Span, units: number, extent: number): Int32Array => {
  const { start = 0, size = 1, repeats = 1, first = 0, count = units, stride = count * size } = span
  const at = new Int32Array(extent).fill(-1)
  for (let repeat = 0, from = start; repeat < repeats; repeat++, from += stride)
    for (let unit = 0; unit < count; unit++) at.fill(first + unit, from + unit * size, from + (unit + 1) * size)
  return at
}

/** A coupling on one axis, and the units of it that stay. */
export interface Cut {
  readonly coupling: Coupling
  readonly span: Span
  readonly kept: readonly number[]
}

type Place = Map<number, number[]>

/**
 * Puts the units of some places into their new order: `place` says where a position belongs, −1 for nowhere, `unit` to which unit; what stays of a
 * place stands where its first position was.
 */
const reorder = (
  positions: readonly number[],
  place: (position: number) => number,
  unit: Int32Array,
  kept: (place: number) => readonly number[],
): readonly number[] => {
  const places = new Map<number, Place>()
  const order: (number | readonly [place: number])[] = []
  for (const position of positions) {
    const at = place(position)
    if (at < 0) order.push(position)
    else {
      if (!places.has(at)) order.push([at])
      const held: Place = places.get(at) ?? new Map<number, number[]>()
      const together = held.get(unit[position]) ?? []
      together.push(position)
      places.set(at, held.set(unit[position], together))
    }
  }
  return order.flatMap(entry =>
    typeof entry === 'number' ? [entry] : kept(entry[0]).flatMap(each => places.get(entry[0])!.get(each) ?? []),
  )
}

/** Units in the order that they are given in, group by group, where so many stand side by side. */
export const inTheirGroups = (units: readonly number[], perGroup: number, groups: number): readonly (readonly number[])[] => {
  const all = Array.from({ length: groups }, (): number[] => [])
  for (const unit of units) all[Math.floor(unit / perGroup)].push(unit)
  return all
}

/** One coupling alone: within each repeat, and within each group where it has groups, its units come in their new order. */
const applied = (positions: readonly number[], { coupling, span, kept }: Cut, extent: number): readonly number[] => {
  const { units, perGroup = units } = coupling
  const { start = 0, size = 1, count = units, stride = count * size } = span
  const unit = unitsAlong(span, units, extent)
  const groups = units / perGroup
  const ofGroup = inTheirGroups(kept, perGroup, groups)
  const place = (position: number): number =>
    unit[position] < 0 ? -1 : Math.floor((position - start) / stride) * groups + Math.floor(unit[position] / perGroup)
  return reorder(positions, place, unit, at => ofGroup[at % groups])
}

/**
 * The old positions of an axis that stay, in their new order. Couplings that stand on one axis within each other, such as query heads within the
 * groups of their key heads, go from the finest to the coarsest: a coarse unit moves with what is left in it.
 */
export const keptAlong = (extent: number, cuts: readonly Cut[]): Int32Array => {
  const finestFirst = [...cuts].sort((a, b) => (a.span.size ?? 1) - (b.span.size ?? 1))
  const all: readonly number[] = Array.from({ length: extent }, (_, position) => position)
  return Int32Array.from(finestFirst.reduce((positions, cut) => applied(positions, cut, extent), all))
}
