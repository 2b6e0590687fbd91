import { join, placeOf, plain, protect, type Axes, type Extent } from '../../../couplings/axes.js'
import { reshaped } from '../../../couplings/reshaped.js'
import { sideBySide } from '../../../couplings/side-by-side.js'
import type { TfjsScope } from '../scope.js'
import { reduced, together } from '../windows.js'
import { isSet, numberOf, numbersOf, type GraphNode } from './attributes.js'
import { UNKNOWN, type Rule } from './rule.js'

const LATER = 'its axes show when the graph runs'

/** Places of axes that a constant names; undefined where it is none, or names those that there are not. */
const placesOf = (name: string | undefined, axes: Axes, scope: TfjsScope): readonly number[] | undefined => {
  const places = scope.numbers(name)?.map(axis => placeOf(axis, axes.length))
  return places?.every(place => place !== undefined) ? (places as readonly number[]) : undefined
}

/** The extents of the shape that a Reshape is given, and how many of the first it copies from the value itself. */
const wantedOf = ({ input: [, shape] }: GraphNode, axes: Axes, scope: TfjsScope) => {
  const given = scope.numbers(shape)
  if (given) return { copied: 0, wanted: given, isConstant: true }
  const extents: readonly Extent[] | undefined = scope.extents(shape)
  if (!extents) return undefined
  const first = extents.findIndex((extent, i) => typeof extent === 'number' || extent !== axes[i])
  const copied = first < 0 ? extents.length : first
  const wanted = extents.slice(copied)
  return wanted.every(extent => typeof extent === 'number') ? { copied, wanted, isConstant: false } : undefined
}

/** The same elements in a shape that is known: axes that are taken together, parted or left as they are. */
const reshape: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes) return UNKNOWN
  const shape = wantedOf(node, axes, scope)
  if (!shape) return 'its shape shows when the graph runs'
  const { copied, wanted, isConstant } = shape
  const made = reshaped(axes.slice(copied), wanted)
  if (!made) return 'its shape leaves open what becomes of its axes'
  if (isConstant) scope.tell(node.input[1], 'value', made)
  else
    wanted.forEach((extent, i) => {
      if (extent > 0) protect(made[i], 'Reshape is told their number when the graph runs')
    })
  return [[...axes.slice(0, copied), ...made]]
}

const squeeze: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes) return UNKNOWN
  const named = ['squeeze_dims', 'axis'].flatMap(key => numbersOf(node, key)).map(axis => placeOf(axis, axes.length))
  const isKnown = named.length > 0 || axes.every(({ extent }) => extent !== undefined)
  return isKnown ? [axes.filter(({ extent }, i) => (named.length > 0 ? !named.includes(i) : extent !== 1))] : LATER
}

const expand: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const [axis] = scope.numbers(node.input[1]) ?? []
  const at = axes && axis !== undefined ? placeOf(axis, axes.length + 1) : undefined
  return axes && at !== undefined ? [[...axes.slice(0, at), plain(1), ...axes.slice(at)]] : LATER
}

const transpose: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const order = axes && placesOf(node.input[1], axes, scope)
  return axes && order?.length === axes.length && new Set(order).size === axes.length ? [order.map(axis => axes[axis])] : LATER
}

/** Sums and means over axes: units that stand on these stay whole. */
const reduce: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const over = axes && placesOf(node.input[1], axes, scope)
  return axes && over ? [reduced(axes, over, isSet(node, 'keep_dims'), node.op)] : LATER
}

const softmax: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes || axes.length === 0) return UNKNOWN
  together(axes, [axes.length - 1], node.op)
  return [axes]
}

/** Values side by side; the axis is a constant behind them. */
const concat: Rule = (node, scope) => {
  const all = node.input.slice(0, -1).map(scope.value)
  if (all.length === 0 || all.some(axes => !axes || axes.length !== all[0]?.length)) return UNKNOWN
  const values = all as readonly Axes[]
  const [axis] = scope.numbers(node.input[node.input.length - 1]) ?? []
  const at = axis === undefined ? undefined : placeOf(axis, values[0].length)
  return at === undefined ? LATER : [sideBySide(values, at, 'ConcatV2')]
}

/** Values one behind the other along a new axis; their own axes are the same ones. */
const stack: Rule = (node, scope) => {
  const all = node.input.map(scope.value)
  if (all.length === 0 || all.some(axes => !axes || axes.length !== all[0]?.length)) return UNKNOWN
  const [first, ...rest] = all as readonly Axes[]
  const at = placeOf(numberOf(node, 'axis', 0), first.length + 1)
  if (at === undefined) return UNKNOWN
  const axes = first.map((axis, i) => rest.reduce((one, each) => join(one, each[i], 'Pack'), axis))
  return [[...axes.slice(0, at), plain(all.length), ...axes.slice(at)]]
}

/** A stretch of each axis, -1 for what is left: units stay whole where some are left out. */
const slice: Rule = (node, scope) => {
  const [axes, from, sizes] = [scope.value(node.input[0]), scope.numbers(node.input[1]), scope.numbers(node.input[2])]
  if (!axes || from?.length !== axes.length || sizes?.length !== axes.length) return LATER
  const made = axes.map((axis, i) => {
    if (from[i] === 0 && (sizes[i] === -1 || sizes[i] === axis.extent)) return axis
    protect(axis, 'Slice takes parts of them')
    return plain(sizes[i] < 0 ? undefined : sizes[i])
  })
  scope.tell(node.input[2], 'value', made)
  return [made]
}

/** Parts of an axis; units on it stay whole. */
const parts =
  (x: number, axis: number, sizes?: number): Rule =>
  (node, scope) => {
    const axes = scope.value(node.input[x])
    const [given] = scope.numbers(node.input[axis]) ?? []
    const at = axes && given !== undefined ? placeOf(given, axes.length) : undefined
    if (!axes || at === undefined) return LATER
    protect(axes[at], `${node.op} takes parts of them`)
    const count = numberOf(node, 'num_split', 1)
    const { extent } = axes[at]
    const part = (i: number): number | undefined =>
      sizes === undefined ? (extent === undefined ? undefined : extent / count) : scope.numbers(node.input[sizes])?.[i]
    return Array.from({ length: Math.min(count, 64) }, (_, i) => axes.map((one, j) => (j === at ? plain(part(i)) : one)))
  }

/** Rows of a table, (rows, width), looked up by indices (…): (…, width), which the table makes; other places of axes stay whole. */
const gather: Rule = (node, scope) => {
  const [data, places, axis] = node.input
  const indices = scope.value(places)
  const [given] = node.op === 'Gather' ? [0] : (scope.numbers(axis) ?? [])
  if (!indices || given === undefined) return 'its places have no known axes'
  if (scope.shapeOf(data)?.length === 2 && given === 0) return [[...indices, scope.write(data, 1)]]
  const axes = scope.value(data)
  const at = axes && placeOf(given, axes.length)
  if (!axes || at === undefined) return UNKNOWN
  protect(axes[at], `${node.op} takes parts of them`)
  return [[...axes.slice(0, at), ...indices, ...axes.slice(at + 1)]]
}

export const SHAPE_RULES: Readonly<Record<string, Rule>> = {
  ...{ Reshape: reshape, Squeeze: squeeze, ExpandDims: expand, Transpose: transpose },
  ...{ Mean: reduce, Sum: reduce, Max: reduce, Min: reduce, Prod: reduce, ArgMax: reduce },
  ...{ Softmax: softmax, LogSoftmax: softmax, ConcatV2: concat, Pack: stack, Slice: slice },
  ...{ Split: parts(1, 0), SplitV: parts(0, 2, 1), Gather: gather, GatherV2: gather },
}
