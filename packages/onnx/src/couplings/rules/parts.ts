import { numberOf, numbersOf } from '../../file/attributes.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import { hasUnits, placeOf, plain, protect, type Axes } from '@tersor/models/internal/imported/couplings/axes'
import { apart } from '@tersor/models/internal/imported/couplings/side-by-side'
import type { Rule, Scope } from '../scope.js'

const UNKNOWN = 'its input has no known axes'

/** A copy of axes with another in one place; what stood there stays whole. */
const replaced = (axes: Axes, at: number, extent: number | undefined, what: string): Axes => {
  protect(axes[at], `${what} takes parts of them`)
  return axes.map((axis, i) => (i === at ? plain(extent) : axis))
}

/** How long each part of an axis is; undefined where that shows when the graph runs. */
export const sizesOfSplit = (node: NodeProto, extent: number | undefined, numbers: Scope['numbers']): readonly number[] | undefined => {
  const given = numbersOf(node, 'split') ?? numbers(node.input[1])
  if (given || node.input[1] || extent === undefined) return given
  const [count, equal] = [node.output.length, Math.ceil(extent / node.output.length)]
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? extent - equal * (count - 1) : equal))
}

/** Parts of an axis, each with the units of its own that stand on it. */
export const split: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', 0), axes.length)
  if (!axes || at === undefined) return UNKNOWN
  const sizes = sizesOfSplit(node, axes[at].extent, scope.numbers)
  const parts = sizes && hasUnits(axes[at]) ? apart(axes[at], sizes) : undefined
  return node.output.map((_, i) => (parts ? axes.map((axis, each) => (each === at ? parts[i] : axis)) : replaced(axes, at, sizes?.[i], 'Split'))) // prettier-ignore
}

/** A range of some axes; before version 10 attributes say of which. */
export const slice: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const starts = numbersOf(node, 'starts') ?? scope.numbers(node.input[1])
  const given = numbersOf(node, 'axes') ?? (node.input[3] ? scope.numbers(node.input[3]) : starts?.map((_, i) => i))
  const over = axes && given?.flatMap(axis => placeOf(axis, axes.length) ?? [])
  if (!axes || !over) return 'its axes show when the graph runs'
  return [over.reduce<Axes>((all, axis) => replaced(all, axis, undefined, 'Slice'), axes)]
}

/** Rows of a table, (rows, width) looked up by indices (…): (…, width), which the table makes. */
const lookUp = (scope: Scope, table: string, indices: Axes): readonly Axes[] => [[...indices, scope.write(table, 1)]]

/** Places of an axis by their numbers. */
export const gather: Rule = (node, scope) => {
  const [data, places] = node.input
  const indices = scope.value(places)
  const shape = scope.shapeOf(data)
  if (!indices) return 'its places have no known axes'
  if (shape?.length === 2 && numberOf(node, 'axis', 0) === 0) return lookUp(scope, data, indices)
  const axes = scope.value(data)
  const at = axes && placeOf(numberOf(node, 'axis', 0), axes.length)
  if (!axes || at === undefined) return UNKNOWN
  protect(axes[at], 'Gather takes parts of them')
  return [[...axes.slice(0, at), ...indices, ...axes.slice(at + 1)]]
}

/** The largest of an axis: which ones shows when the graph runs. */
export const topK: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', -1), axes.length)
  if (!axes || at === undefined) return UNKNOWN
  const count = scope.numbers(node.input[1])?.[0]
  return node.output.map(() => replaced(axes, at, count, 'TopK'))
}

/** Others in some places of an axis. */
export const scatter: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', 0), axes.length)
  const [places, updates] = [scope.value(node.input[1]), scope.value(node.input[2])]
  if (!axes || at === undefined || !places || !updates) return UNKNOWN
  for (const value of [axes, places, updates]) value.forEach(axis => protect(axis, `${node.opType} puts others in their places`))
  return [axes]
}
