import { CompressionError, type ParameterStore, type Shape } from '@tersor/tensor'
import { hasUnits, lengthOf, rootOf, unitsOn, type Axis, type Units } from './axes.js'
import { productOf } from './factors.js'
import type { GraphCouplings } from './couplings-of.js'
import type { Labels } from './label-nodes.js'

/** Shapes that weights of a graph came to have, by their names. */
export type NewShapes = ReadonlyMap<string, Shape>

/** The shape that a weight of the graph had. */
export type ShapeBefore = (name: string) => Shape

/** How long a run or an axis is with the units that stayed. */
export type Count = (units: Units) => number

export const extentOf = ({ extent, runs, parts }: Axis, count: Count): number | undefined => {
  if (parts) return productOf(parts.map(each => ({ extent: extentOf(each, count) })))
  return runs.length === 0 ? extent : runs.reduce((sum, run) => sum + lengthOf(run, count), 0)
}

/** Whether some of the units of an axis went. */
export const isCut = (axis: Axis, count: Count): boolean =>
  axis.parts ? axis.parts.some(each => isCut(each, count)) : axis.runs.length > 0 && extentOf(axis, count) !== axis.extent

/** How many of some units stayed, where they alone are not known of an axis that is so long now; undefined where others are not either. */
const solved = (
  axis: Axis,
  extent: number,
  known: ReadonlyMap<Units, number>,
  open: ReadonlySet<Units>,
): readonly [Units, number] | undefined => {
  const asked = [...new Set(unitsOn(axis).filter(units => open.has(units) && !known.has(units)))]
  if (asked.length !== 1) return undefined
  const [units] = asked
  const lengthWith = (count: number): number => extentOf(axis, each => (each === units ? count : (known.get(each) ?? each.count)))!
  const each = lengthWith(2) - lengthWith(1)
  return each > 0 ? [units, 1 + (extent - lengthWith(1)) / each] : undefined
}

/** How many units of each coupling stayed, told by the weights, one after the other: heads by keys, queries by heads and queries. */
const counting = ({ weights: { bound } }: Labels, { unitsOf }: GraphCouplings, before: ShapeBefore, shapes: NewShapes): Count => {
  const open = new Set(unitsOf.keys())
  const known = new Map<Units, number>()
  const axes = [...bound].flatMap(([name, each]) =>
    [...each].map(([axis, { axis: to }]) => ({ to, extent: (shapes.get(name) ?? before(name))[axis] })),
  )
  for (let found = -1; found !== known.size;) {
    found = known.size
    for (const { to, extent } of axes) {
      const told = solved(to, extent, known, open)
      if (told) known.set(...told)
    }
  }
  return units => known.get(rootOf(units)) ?? units.count
}

/** Every weight has the extents that the units which stayed give it. */
const checkShapes = ({ weights: { bound } }: Labels, before: ShapeBefore, shapes: NewShapes, count: Count): void => {
  for (const name of new Set([...bound.keys(), ...shapes.keys()])) {
    const shape = shapes.get(name) ?? before(name)
    const expected = before(name).map((extent, axis) => {
      const to = bound.get(name)?.get(axis)?.axis
      return to && hasUnits(to) ? extentOf(to, count) : extent
    })
    if (expected.length === shape.length && expected.every((extent, axis) => extent === shape[axis])) continue
    throw new CompressionError(
      'BAD_DATA',
      `"${name}" has the shape [${shape.join(', ')}], and the graph takes [${expected.join(', ')}].`,
      'Cut all weights of a coupling together: shrink does.',
      { name, shape, expected },
    )
  }
}

/** How many units of a graph stayed, told by the shapes of weights that were cut. Throws BAD_DATA for shapes that no choice of units gives. */
export const countCut = (labels: Labels, couplings: GraphCouplings, before: ShapeBefore, shapes: NewShapes): Count => {
  const count = counting(labels, couplings, before, shapes)
  checkShapes(labels, before, shapes, count)
  return count
}

/** Weights of a store that have other shapes than those of the graph. */
export const newShapes = (params: ParameterStore, shapeOf: (name: string) => Shape | undefined): NewShapes =>
  new Map(
    params.names().flatMap(name => {
      const [before, after] = [params.info(name).shape, shapeOf(name)]
      return after && after.join() !== before.join() ? [[name, after] as const] : []
    }),
  )
