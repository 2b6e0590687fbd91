import { numberOf, numbersOf } from '../../file/attributes.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import { merged, placeOf, plain, protect, type Axes, type Extent } from '@tersor/models/internal/imported/couplings/axes'
import { reshaped } from '@tersor/models/internal/imported/couplings/reshaped'
import { sideBySide } from '@tersor/models/internal/imported/couplings/side-by-side'
import type { Rule, Scope } from '../scope.js'

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

/** Extents that a graph copies from the axes that it reshapes, as 0, between numbers; undefined where it copies any other. */
const copiedExtents = (axes: Axes | undefined, extents: readonly Extent[] | undefined): readonly number[] | undefined => {
  const shape = extents?.map((extent, i) => (typeof extent === 'number' ? extent : axes && extent === axes[i] ? 0 : undefined))
  return shape?.every(extent => extent !== undefined) ? (shape as readonly number[]) : undefined
}

/** The same elements in a shape that is known: axes that are taken together, parted or left as they are. */
export const reshape: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const given = scope.numbers(node.input[1])
  const shape = given ?? copiedExtents(axes, scope.extents(node.input[1]))
  if (!shape) return 'its shape shows when the graph runs'
  if (!axes) return [shape.map(extent => plain(extent > 0 ? extent : undefined))]
  const firstGiven = shape.findIndex(extent => extent !== 0)
  const copied = numberOf(node, 'allowzero', 0) === 1 ? 0 : firstGiven < 0 ? shape.length : firstGiven
  if (copied > axes.length || shape.slice(copied).includes(0)) return 'its shape copies extents from other places'
  const [rest, wanted] = [axes.slice(copied), shape.slice(copied)]
  const result = reshaped(rest, wanted)
  if (!result) return 'its shape leaves open what becomes of its axes'
  const made = [...axes.slice(0, copied), ...result]
  if (!given) shape.forEach((extent, i) => extent > 0 && protect(made[i], 'Reshape is told their number when the graph runs'))
  return [made]
}
