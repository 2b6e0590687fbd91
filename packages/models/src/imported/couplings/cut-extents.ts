import type { Coupling, Member } from '@tersor/core'
import { CompressionError, type ParameterStore, type Shape } from '@tersor/tensor'
import { lengthOf, rootOf, type Axis, type Units } from './axes.js'
import type { GraphCouplings } from './couplings-of.js'
import type { Labels } from './label-nodes.js'

/** Shapes that weights of a graph came to have, by their names. */
export type NewShapes = ReadonlyMap<string, Shape>

/** The shape that a weight of the graph had. */
export type ShapeBefore = (name: string) => Shape

/** How long a run or an axis is with the units that stayed. */
export type Count = (units: Units) => number

export const extentOf = ({ extent, runs }: Axis, count: Count): number | undefined =>
  runs.length === 0 ? extent : runs.reduce((sum, run) => sum + lengthOf(run, count), 0)

/** Whether some of the units of an axis went. */
export const isCut = (axis: Axis, count: Count): boolean => axis.runs.length > 0 && extentOf(axis, count) !== axis.extent

/** How many units of a coupling stayed, told by a weight on an axis of which it stands alone; all of them where none tells. */
const countOf = ({ members, units }: Coupling, all: readonly Member[], before: ShapeBefore, after: NewShapes): number => {
  const isAlone = (parameter: string, axis: number): boolean =>
    all.filter(member => member.parameter === parameter && member.axis === axis).length === 1
  const span = members.find(({ parameter, axis }) => after.has(parameter) && isAlone(parameter, axis))
  if (!span) return units
  const { parameter, axis, size = 1, repeats = 1 } = span
  const gone = before(parameter)[axis] - after.get(parameter)![axis]
  return units - gone / (size * repeats)
}

const counting = ({ couplings, unitsOf }: GraphCouplings, before: ShapeBefore, shapes: NewShapes): Count => {
  const all = couplings.flatMap(({ members }) => members)
  const counts = new Map(couplings.map(coupling => [coupling, countOf(coupling, all, before, shapes)]))
  return units => {
    const coupling = unitsOf.get(rootOf(units))
    return coupling ? counts.get(coupling)! : units.count
  }
}

/** Every weight has the extents that the units which stayed give it. */
const checkShapes = ({ weights: { bound } }: Labels, before: ShapeBefore, shapes: NewShapes, count: Count): void => {
  for (const name of new Set([...bound.keys(), ...shapes.keys()])) {
    const shape = shapes.get(name) ?? before(name)
    const expected = before(name).map((extent, axis) => {
      const to = bound.get(name)?.get(axis)?.axis
      return to && to.runs.length > 0 ? extentOf(to, count) : extent
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
  const count = counting(couplings, before, shapes)
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
