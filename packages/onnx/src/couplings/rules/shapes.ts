import { numberOf, numbersOf } from '../../file/attributes.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import {
  axisOfUnits,
  hasUnits,
  join,
  merged,
  placeOf,
  plain,
  protect,
  type Axes,
  type Axis,
  type Extent,
} from '@tersor/models/internal/imported/couplings/axes'
import { reshaped } from '@tersor/models/internal/imported/couplings/reshaped'
import { sideBySide } from '@tersor/models/internal/imported/couplings/side-by-side'
import type { Rule, Scope } from '../scope.js'
import { meanOfNorm } from './norms.js'

const UNKNOWN = 'its input has no known axes'

const from = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** Axes among the attributes of a node, or an input of later versions. */
const axesOf = (node: NodeProto, scope: Scope): readonly number[] | undefined => numbersOf(node, 'axes') ?? scope.numbers(node.input[1])

export const flatten: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes) return UNKNOWN
  const at = from(numberOf(node, 'axis', 1), axes.length)
  return [[merged(axes.slice(0, at), 'Flatten'), merged(axes.slice(at), 'Flatten')]]
}

export const transpose: Rule = (node, scope) => {
  const shape = scope.shapeOf(node.input[0])
  if (shape?.length === 2) {
    scope.turn(node.output[0], node.input[0], numbersOf(node, 'perm') ?? [1, 0])
    return [undefined]
  }
  const axes = scope.value(node.input[0])
  if (!axes) return UNKNOWN
  const order = numbersOf(node, 'perm') ?? axes.map((_, i) => axes.length - 1 - i)
  return order.length === axes.length && order.every(axis => axes[axis]) ? [order.map(axis => axes[axis])] : UNKNOWN
}

export const squeeze: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const gone = axesOf(node, scope)?.map(axis => from(axis, axes?.length ?? 0))
  return axes && gone ? [axes.filter((_, i) => !gone.includes(i))] : 'its axes show when the graph runs'
}

export const unsqueeze: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const given = axesOf(node, scope)
  if (!axes || !given) return 'its axes show when the graph runs'
  const rank = axes.length + given.length
  const [added, rest] = [given.map(axis => from(axis, rank)), [...axes]]
  if (new Set(added).size !== given.length || added.some(axis => !(axis >= 0 && axis < rank))) return UNKNOWN
  return [Array.from({ length: rank }, (_, i) => (added.includes(i) ? plain(1) : rest.shift()!))]
}

/** Sums and means over axes: units that stand on these stay whole. */
export const reduce: Rule = (node, scope) => {
  const ofNorm = node.opType === 'ReduceMean' ? meanOfNorm(node, scope) : undefined
  if (ofNorm) return ofNorm
  const axes = scope.value(node.input[0])
  const given = axesOf(node, scope)
  if (!axes || (!given && node.input[1])) return 'its axes show when the graph runs'
  const isAll = !given || given.length === 0
  if (isAll && numberOf(node, 'noop_with_empty_axes', 0) === 1) return [axes]
  const over = isAll ? axes.map((_, i) => i) : given.flatMap(axis => placeOf(axis, axes.length) ?? [])
  over.forEach(axis => protect(axes[axis], `${node.opType} takes them together`))
  return [numberOf(node, 'keepdims', 1) === 1 ? axes.map((axis, i) => (over.includes(i) ? plain(1) : axis)) : axes.filter((_, i) => !over.includes(i))] // prettier-ignore
}

/** Shares of an axis; before version 13 of all axes from it on. */
export const softmax: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes) return UNKNOWN
  const isOld = scope.opset < 13
  const at = from(numberOf(node, 'axis', isOld ? 1 : -1), axes.length)
  axes.forEach((axis, i) => (isOld ? i >= at : i === at) && protect(axis, `${node.opType} takes them together`))
  return [axes]
}

/** Runs side by side; other axes are the same ones. */
export const concat: Rule = (node, scope) => {
  const all = node.input.map(scope.value)
  if (all.length === 0 || all.some(axes => axes?.length !== all[0]?.length || !axes)) return UNKNOWN
  const values = all as readonly Axes[]
  const at = placeOf(numberOf(node, 'axis', 1), values[0].length)
  return at === undefined ? UNKNOWN : [sideBySide(values, at, 'Concat')]
}

/** A shape in numbers and axes whose extents are copied; undefined where it shows when the graph runs. */
const shapeAsked = (node: NodeProto, scope: Scope): readonly Extent[] | undefined =>
  scope.numbers(node.input[1]) ?? scope.extents(node.input[1])

/** Units whose number is in a shape that is computed stay, but where one node puts it together of numbers and extents: that is written anew. */
const keepComputed = (node: NodeProto, scope: Scope, shape: readonly Extent[], made: Axes): Axes => {
  if (scope.numbers(node.input[1]) || scope.maker(node.input[1])?.opType === 'Concat') return made
  made.slice(-shape.length).forEach((axis, i) => typeof shape[i] === 'number' && shape[i] > 0 && protect(axis, `${node.opType} is told their number when the graph runs`)) // prettier-ignore
  return made
}

/** The same elements in a shape that is known: axes that are taken together, parted or left as they are. */
export const reshape: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const asked = shapeAsked(node, scope)
  if (!asked) return 'its shape shows when the graph runs'
  if (!axes) {
    for (const each of asked) if (typeof each === 'object') protect(each, 'Reshape is told their number')
    return [asked.map(extent => (typeof extent === 'object' ? plain(extent.extent) : plain(extent > 0 ? extent : undefined)))]
  }
  const copies = numberOf(node, 'allowzero', 0) === 0
  const shape = asked.map((extent, i) => (extent === 0 && copies ? axes[i] : extent))
  if (shape.some(extent => extent === undefined)) return 'its shape copies extents from other places'
  const first = asked.findIndex((extent, i) => extent !== 0 && extent !== axes[i])
  const copied = first < 0 ? asked.length : first
  const result = reshaped(axes.slice(copied), shape.slice(copied))
  return result
    ? [keepComputed(node, scope, asked, [...axes.slice(0, copied), ...result])]
    : 'its shape leaves open what becomes of its axes'
}

/** Positions that are repeated along axes of 1: as many as a shape says. */
export const expand: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const shape = shapeAsked(node, scope)
  if (!axes || !shape) return 'its shape shows when the graph runs'
  const rank = Math.max(axes.length, shape.length)
  return [
    keepComputed(
      node,
      scope,
      shape,
      Array.from({ length: rank }, (_, i) => {
        const [axis = plain(1), asked = 1] = [axes[i - rank + axes.length] as Axis | undefined, shape[i - rank + shape.length] as Extent | undefined] // prettier-ignore
        if (asked === 1 || asked === axis) return axis
        if (axis.extent !== 1) return typeof asked === 'number' ? axis : join(axis, asked, 'Expand')
        if (typeof asked === 'object') return asked
        return asked > 1 ? axisOfUnits({ count: asked }) : plain()
      }),
    ),
  ]
}

/** Numbers in a row: as many as an axis has positions where they count these. */
export const range: Rule = ({ input: [start, limit, step] }, scope) => {
  const [length] = scope.extents(limit) ?? []
  const isCount = scope.numbers(start)?.[0] === 0 && scope.numbers(step)?.[0] === 1
  return [[isCount && typeof length === 'object' && !hasUnits(length) ? length : plain()]]
}
