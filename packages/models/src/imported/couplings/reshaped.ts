import { sizeOf } from '@tersor/tensor'
import { merged, parted, plain, protect, type Axes, type Axis } from './axes.js'

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

/**
 * The same elements in a shape, -1 for an extent that follows: axes that are taken together, parted or left as they are; undefined where the shape
 * leaves open what becomes of them.
 */
export const reshaped = (axes: Axes, wanted: readonly number[]): Axes | undefined => {
  const both = known(axes, wanted)
  if (!both) return undefined
  const result: Axis[] = both[1].map(extent => plain(extent === CHOSEN ? undefined : extent))
  for (const [a, b] of aligned(...both)) {
    if (a.length === 1 && b.length === 1) result[b[0]] = axes[a[0]]
    else if (b.length === 1)
      result[b[0]] = merged(a.map(i => axes[i]), 'Reshape') // prettier-ignore
    else if (a.length === 1)
      parted(axes[a[0]], b.map(i => both[1][i]), 'Reshape').forEach((axis, i) => (result[b[i]] = axis)) // prettier-ignore
    else a.forEach(i => protect(axes[i], 'Reshape mixes them with other axes'))
  }
  return result
}
