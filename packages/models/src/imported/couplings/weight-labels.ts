import type { Member } from '@tersor/core'
import { axisOfUnits, hasUnits, join, plain, protect, type Axes, type Axis, type Extent, type Units } from './axes.js'

export type Role = Member['role']

/** What stands on an axis of a weight. */
export interface Bound {
  readonly axis: Axis
  readonly role: Role
  /** Whether the weight reads what it makes. */
  readonly isLoop?: boolean
}

/** What rules see of a graph while labels go through it; graphs of a format may show more. */
export interface LabelScope {
  /** What an input that is no weight is; undefined where not even its rank is known. A weight that is asked for so stays whole. */
  value(name: string): Axes | undefined
  /** The extents of a weight that can be cut; undefined for all other values. */
  shapeOf(name: string): readonly number[] | undefined
  /** Elements of a small constant. */
  numbers(name: string | undefined): readonly number[] | undefined
  /** The extents that a value holds which was computed from shapes; asked for in any other way, the units on their axes stay whole. */
  extents(name: string | undefined): readonly Extent[] | undefined
  /** The units that an axis of a weight makes: new ones, or those of the weight's other uses. */
  write(weight: string, axis: number): Axis
  /** Units that stand on an axis of a weight too; they stay whole where that cannot be cut. */
  bind(weight: string, axis: number, to: Axis, role: Role): void
}

/** What is known of the weights of a graph. */
export interface WeightLabels {
  readonly bound: ReadonlyMap<string, ReadonlyMap<number, Bound>>
  /** All units, in the order in which they were found, with the weight that makes them. */
  readonly units: readonly { readonly units: Units; readonly weight: string }[]
  readonly shapeOf: LabelScope['shapeOf']
  readonly write: LabelScope['write']
  readonly bind: LabelScope['bind']
  /** Keeps everything on a weight whole. */
  keep(weight: string, reason: string): void
}

/** Weights of a graph that can be cut. */
export interface CutWeight {
  readonly name: string
  readonly shape: readonly number[]
}

export const weightLabels = (weights: readonly CutWeight[]): WeightLabels => {
  const shapes = new Map(weights.map(({ name, shape }) => [name, shape]))
  const bound = new Map<string, Map<number, Bound>>(weights.map(({ name }) => [name, new Map<number, Bound>()]))
  const units: { units: Units; weight: string }[] = []
  const whole = new Map<string, string>()
  const bind: LabelScope['bind'] = (weight, axis, to, role) => {
    const extent = shapes.get(weight)?.[axis]
    const known = bound.get(weight)?.get(axis)
    if (extent === undefined) return protect(to, `"${weight}" is no weight that can be cut`)
    if (whole.has(weight)) protect(to, whole.get(weight)!)
    if (hasUnits(to) && to.extent !== extent) return protect(to, `"${weight}" has another extent`)
    if (!known) return void bound.get(weight)!.set(axis, { axis: to, role })
    const isLoop = known.isLoop || (known.role === 'reads') !== (role === 'reads')
    const joined = join(known.axis, to, `"${weight}"`)
    bound.get(weight)!.set(axis, isLoop ? { axis: joined, role: 'writes', isLoop } : { axis: joined, role: known.role })
  }
  return {
    ...{ bound, units, bind },
    shapeOf: name => shapes.get(name),
    write: (weight, axis) => {
      const known = bound.get(weight)!.get(axis)
      if (known?.role === 'writes') return known.axis
      const extent = shapes.get(weight)![axis]
      if (extent < 2) return plain(extent)
      const made: Units = { count: extent }
      units.push({ units: made, weight })
      const to = axisOfUnits(made)
      bind(weight, axis, to, 'writes')
      return to
    },
    keep: (weight, reason) => {
      whole.set(weight, whole.get(weight) ?? reason)
      for (const { axis } of bound.get(weight)?.values() ?? []) protect(axis, reason)
    },
  }
}
