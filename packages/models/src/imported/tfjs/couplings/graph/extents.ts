import { hasUnits, placeOf, type Extent } from '../../../couplings/axes.js'
import type { TfjsScope } from '../scope.js'
import { isSet, numberOf, type GraphNode } from './attributes.js'
import type { ExtentRule } from './rule.js'

/** Extents of a value, or numbers that are constants. */
const extentsOf = (name: string | undefined, scope: TfjsScope): readonly Extent[] | undefined => scope.extents(name) ?? scope.numbers(name)

const shape: ExtentRule = ({ input: [x] }, scope) => {
  const axes = scope.shapeOf(x) ? undefined : scope.value(x)
  return axes?.map(axis => (!hasUnits(axis) && axis.extent !== undefined ? axis.extent : axis))
}

const same: ExtentRule = ({ input: [x] }, scope) => scope.extents(x)

/** One stretch of a shape, or one of its numbers. */
const slice: ExtentRule = (node, scope) => {
  const extents = scope.extents(node.input[0])
  const [start, end, step] = node.input.slice(1).map(name => scope.numbers(name))
  const isOdd = ['ellipsis_mask', 'new_axis_mask'].some(key => numberOf(node, key, 0) !== 0)
  if (!extents || isOdd || start?.length !== 1 || end?.length !== 1 || step?.[0] !== 1) return undefined
  const from = numberOf(node, 'begin_mask', 0) === 1 ? 0 : start[0]
  if (numberOf(node, 'shrink_axis_mask', 0) === 1) {
    const at = placeOf(from, extents.length)
    return at === undefined ? undefined : [extents[at]]
  }
  return extents.slice(from, numberOf(node, 'end_mask', 0) === 1 ? extents.length : end[0])
}

const joined = (names: readonly string[], scope: TfjsScope): readonly Extent[] | undefined => {
  const all = names.map(name => extentsOf(name, scope))
  return names.some(name => scope.extents(name)) && all.every(each => each !== undefined) ? all.flat() : undefined
}

/** Operators that ask for extents and move them, as a view of as many rows as there were is written. */
export const EXTENTS: Readonly<Record<string, ExtentRule>> = {
  ...{ Shape: shape, StridedSlice: slice, Cast: same, Identity: same },
  Pack: ({ input }: GraphNode, scope) => joined(input, scope),
  ConcatV2: ({ input }: GraphNode, scope) => joined(input.slice(0, -1), scope),
  Prod: (node, scope) => {
    const extents = scope.extents(node.input[0])
    const isWhole = extents?.every(extent => typeof extent === 'number') && !isSet(node, 'keep_dims')
    return isWhole ? [(extents as readonly number[]).reduce((a, b) => a * b, 1)] : undefined
  },
}
