import { sizeOf } from '@tersor/tensor'

/** Units that stand on axes of values and weights, and go from all of them together. */
export interface Units {
  readonly count: number
  /** The units that these turned out to be. */
  joined?: Units
  /** Why they stay whole. */
  reason?: string
}

/** Positions of an axis, side by side: `repeats` times all units, `size` positions each; without units, `size` positions that stay. */
export interface Run {
  readonly units?: Units
  readonly size: number
  readonly repeats: number
}

/** An axis of a value: how long it is, undefined where that shows when the graph runs, and what stands on it; nothing where `runs` is empty. */
export interface Axis {
  readonly extent: number | undefined
  readonly runs: readonly Run[]
}

/** An extent that a graph asks for when it runs: a number, or the axis that has it. */
export type Extent = number | Axis

export type Axes = readonly Axis[]

export const plain = (extent?: number): Axis => ({ extent, runs: [] })

/** The place of an axis that may be counted from the end; undefined where there is none. */
export const placeOf = (axis: number, rank: number): number | undefined => {
  const at = axis < 0 ? axis + rank : axis
  return at >= 0 && at < rank ? at : undefined
}

export const plainAxes = (rank: number): Axes => Array.from({ length: rank }, () => plain())

export const rootOf = (units: Units): Units => {
  let root = units
  while (root.joined) root = root.joined
  return root
}

/** Positions of a run where each of its units counts as `count` says. */
export const lengthOf = ({ units, size, repeats }: Run, count = (each: Units): number => each.count): number =>
  (units ? count(rootOf(units)) : 1) * size * repeats

/** Keeps the units of an axis whole; the first reason is the one that is told. */
export const protect = ({ runs }: Axis, reason: string): void => {
  for (const { units } of runs) if (units) rootOf(units).reason ??= reason
}

const joinUnits = (a: Units, b: Units): void => {
  const [one, other] = [rootOf(a), rootOf(b)]
  if (one === other) return
  if (other.reason !== undefined) one.reason ??= other.reason
  other.joined = one
}

/** The runs of an axis, one that stays where nothing stands on it. */
export const runsOf = ({ extent, runs }: Axis): readonly Run[] | undefined =>
  runs.length > 0 ? runs : extent === undefined ? undefined : [{ size: extent, repeats: 1 }]

const isAlike = (a: Run, b: Run): boolean =>
  a.units?.count === b.units?.count && a.size === b.size && a.repeats === b.repeats && (a.units !== undefined || b.units === undefined)

/** Two axes whose positions meet one by one: the units that stand there are the same ones. Where they do not stand alike they stay whole. */
export const join = (a: Axis, b: Axis, what: string): Axis => {
  const extent = a.extent ?? b.extent
  if (a.runs.length === 0 && b.runs.length === 0) return plain(extent)
  if (a.runs.length === b.runs.length && a.runs.every((run, i) => isAlike(run, b.runs[i]))) {
    a.runs.forEach(({ units }, i) => units && joinUnits(units, b.runs[i].units!))
    return a
  }
  for (const axis of [a, b]) protect(axis, `${what} meets them with others`)
  return plain(extent)
}

/** Each position becomes so many, side by side. */
export const widened = ({ extent, runs }: Axis, by: number): Axis => ({
  extent: extent === undefined ? undefined : extent * by,
  runs: runs.map(run => ({ ...run, size: run.size * by })),
})

const product = (axes: Axes): number | undefined =>
  axes.reduce<number | undefined>((all, { extent }) => (all === undefined || extent === undefined ? undefined : all * extent), 1)

/** Axes side by side as one. Units stay whole where two of the axes have some, or where what lies beside them shows when the graph runs. */
export const merged = (axes: Axes, what: string): Axis => {
  const extent = product(axes)
  const at = axes.findIndex(({ runs }) => runs.length > 0)
  if (at < 0) return plain(extent)
  const [before, after] = [product(axes.slice(0, at)), product(axes.slice(at + 1))]
  const isOne = axes.filter(({ runs }) => runs.length > 0).length === 1 && (axes[at].runs.length === 1 || before === 1)
  if (!isOne || before === undefined || after === undefined) {
    for (const axis of axes) protect(axis, `${what} flattens them with what is not known`)
    return plain(extent)
  }
  const { runs } = widened(axes[at], after)
  return { extent, runs: runs.map(run => ({ ...run, repeats: run.repeats * before })) }
}

/** One axis as several: units may stand on one of them alone, side by side. */
export const parted = (axis: Axis, extents: readonly number[], what: string): Axes => {
  const [run] = axis.runs
  const at =
    axis.runs.length === 1 && run.units
      ? extents.findIndex(
          (extent, i) =>
            extent === run.units!.count && sizeOf(extents.slice(0, i)) === run.repeats && sizeOf(extents.slice(i + 1)) === run.size,
        )
      : -1
  if (at < 0) protect(axis, `${what} parts them`)
  return extents.map((extent, i) => (i === at ? { extent, runs: [{ units: run.units!, size: 1, repeats: 1 }] } : plain(extent)))
}
