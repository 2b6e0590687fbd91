import { numberOf, numbersOf } from '../../file/attributes.js'
import { placeOf, plain, protect, type Axes } from '@tersor/models/internal/imported/couplings/axes'
import type { Rule, Scope } from '../scope.js'

const UNKNOWN = 'its input has no known axes'

/** A copy of axes with another in one place; what stood there stays whole. */
const replaced = (axes: Axes, at: number, extent: number | undefined, what: string): Axes => {
  protect(axes[at], `${what} takes parts of them`)
  return axes.map((axis, i) => (i === at ? plain(extent) : axis))
}

/** Parts of an axis; units on it stay whole. */
export const split: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', 0), axes.length)
  if (!axes || at === undefined) return UNKNOWN
  const sizes = numbersOf(node, 'split') ?? scope.numbers(node.input[1])
  const { extent } = axes[at]
  const equal = extent === undefined || node.input[1] ? undefined : Math.ceil(extent / node.output.length)
  const last = equal === undefined ? undefined : extent! - equal * (node.output.length - 1)
  return node.output.map((_, i) => replaced(axes, at, sizes?.[i] ?? (i === node.output.length - 1 ? last : equal), 'Split'))
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

/** Layer norms: their mean counts all units, so that these stay whole. */
export const layerNorm: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', -1), axes.length)
  if (!axes || at === undefined) return UNKNOWN
  axes.slice(at).forEach(axis => protect(axis, `${node.opType} takes them together`))
  return node.output.map((_, i) => (i === 0 ? axes : undefined))
}
