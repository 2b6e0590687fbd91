import { sizeOf } from '@tersor/tensor'
import { numberOf, numbersOf } from '../../file/attributes.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import { join, merged, parted, placeOf, plain, protect, runsOf, type Axes, type Axis, type Extent } from '../axes.js'
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

/** Graphs that put a value beside itself again and again would have runs without end. */
const MOST_RUNS = 4096

/** Runs side by side; other axes are the same ones. */
export const concat: Rule = (node, scope) => {
  const all = node.input.map(scope.value)
  if (all.length === 0 || all.some(axes => axes?.length !== all[0]?.length || !axes)) return UNKNOWN
  const values = all as readonly Axes[]
  const at = placeOf(numberOf(node, 'axis', 1), values[0].length)
  if (at === undefined) return UNKNOWN
  const together = (): Axis => {
    const parts = values.map(axes => runsOf(axes[at]))
    const isKnown = parts.every(runs => runs !== undefined) && parts.flat().length <= MOST_RUNS
    if (isKnown && values.some(axes => axes[at].runs.length > 0))
      return { extent: values.reduce((sum, axes) => sum + axes[at].extent!, 0), runs: parts.flat() }
    values.forEach(axes => protect(axes[at], 'Concat puts them beside what shows when the graph runs'))
    const extents = values.map(axes => axes[at].extent)
    return plain(extents.includes(undefined) ? undefined : extents.reduce<number>((sum, extent) => sum + extent!, 0))
  }
  return [values[0].map((axis, i) => (i === at ? together() : values.slice(1).reduce((one, axes) => join(one, axes[i], 'Concat'), axis)))]
}

/** No operator has an axis of this many: it stands for the one extent that the caller chooses. */
const CHOSEN = 1_000_003

/** Both shapes in numbers; undefined where they cannot be the same elements whatever the caller chooses. */
const known = (axes: Axes, wanted: readonly number[]): readonly [readonly number[], readonly number[]] | undefined => {
  const unknown = axes.filter(({ extent }) => extent === undefined).length
  const [have, want] = [sizeOf(axes.map(({ extent }) => extent ?? 1)), sizeOf(wanted.filter(extent => extent !== -1))]
  const isOpen = wanted.includes(-1)
  if (unknown > 1 || want <= 0 || (unknown === 1 && isOpen && have !== want)) return undefined
  const extent = unknown === 0 ? 0 : isOpen ? CHOSEN : want / have
  const inferred = unknown === 1 && isOpen ? CHOSEN : have / want
  const [before, after] = [axes.map(axis => axis.extent ?? extent), wanted.map(each => (each === -1 ? inferred : each))]
  return [...before, ...after].every(Number.isInteger) && sizeOf(before) === sizeOf(after) ? [before, after] : undefined
}

/** Runs of axes on either side that hold as many elements, as short as can be; axes of extent 1 belong to none. */
const aligned = (before: readonly number[], after: readonly number[]): readonly (readonly [number[], number[]])[] => {
  const pairs: [number[], number[]][] = []
  const [left, right] = [before, after].map(extents => extents.flatMap((extent, i) => (extent === 1 ? [] : [i])))
  while (left.length > 0 && right.length > 0) {
    const [a, b] = [[left.shift()!], [right.shift()!]]
    const size = (extents: readonly number[], of: readonly number[]): number => sizeOf(of.map(i => extents[i]))
    while (size(before, a) !== size(after, b)) {
      const side = size(before, a) < size(after, b) ? ([left, a] as const) : ([right, b] as const)
      if (side[0].length === 0) break
      side[1].push(side[0].shift()!)
    }
    pairs.push([a, b])
  }
  return pairs
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
  const both = known(rest, wanted)
  if (!both) return 'its shape leaves open what becomes of its axes'
  const result: Axis[] = both[1].map(extent => plain(extent === CHOSEN ? undefined : extent))
  for (const [a, b] of aligned(...both)) {
    if (a.length === 1 && b.length === 1) result[b[0]] = rest[a[0]]
    else if (b.length === 1)
      result[b[0]] = merged(a.map(i => rest[i]), 'Reshape') // prettier-ignore
    else if (a.length === 1)
      parted(rest[a[0]], b.map(i => both[1][i]), 'Reshape').forEach((axis, i) => (result[b[i]] = axis)) // prettier-ignore
    else a.forEach(i => protect(rest[i], 'Reshape mixes them with other axes'))
  }
  const made = [...axes.slice(0, copied), ...result]
  if (!given) shape.forEach((extent, i) => extent > 0 && protect(made[i], 'Reshape is told their number when the graph runs'))
  return [made]
}
