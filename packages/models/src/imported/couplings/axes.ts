import { aligned, factorsOf, type Factor } from './factors.js'
import { flatRuns, hasUnits, joinUnits, lengthOf, plain, protect, type Axes, type Axis, type Run } from './units.js'

export * from './units.js'
export { merged, widened } from './factors.js'

/** The place of an axis that may be counted from the end; undefined where there is none. */
export const placeOf = (axis: number, rank: number): number | undefined => {
  const at = axis < 0 ? axis + rank : axis
  return Number.isInteger(at) && at >= 0 && at < rank ? at : undefined
}

export const plainAxes = (rank: number): Axes => Array.from({ length: rank }, () => plain())

/** The runs of an axis, one that stays where nothing stands on it; undefined where no run tells what does. */
export const runsOf = (axis: Axis): readonly Run[] | undefined => {
  if (axis.parts) return undefined
  if (axis.runs.length > 0) return flatRuns(axis)
  return axis.extent === undefined ? undefined : [{ size: axis.extent, repeats: 1 }]
}

/** Runs of two axes one by one, where each is as long as the other. */
const joinRuns = (a: readonly Run[], b: readonly Run[], what: string): boolean => {
  if (a.length !== b.length || a.some((run, i) => lengthOf(run) !== lengthOf(b[i]))) return false
  const axisOfRun = (run: Run): Axis => (run.units ? { extent: lengthOf(run), runs: [run] } : plain(lengthOf(run)))
  a.forEach((run, i) => join(axisOfRun(run), axisOfRun(b[i]), what))
  return true
}

/** Whether units stand on both factors, which are then the same ones; they stay whole where they stand on one. */
const joinFactors = ([a, b]: readonly [Factor, Factor], what: string): boolean => {
  if (a.units && b.units) {
    joinUnits(a.units, b.units)
    return true
  }
  const [one, other] = [a, b].map(({ units, axis }): Axis => (units ? { extent: units.count, runs: [{ units, size: 1, repeats: 1 }] } : (axis ?? plain()))) // prettier-ignore
  if (!hasUnits(one) && !hasUnits(other)) return false
  if (hasUnits(one) && hasUnits(other) && joinRuns(flatRuns(one), flatRuns(other), what)) return true
  for (const axis of [one, other]) protect(axis, `${what} meets them with others`)
  return false
}

/** Two axes whose positions meet one by one: the units that stand there are the same ones. Where they do not stand alike they stay whole. */
export const join = (a: Axis, b: Axis, what: string): Axis => {
  if (a === b) return a
  const extent = a.extent ?? b.extent
  if (!hasUnits(a) && !hasUnits(b)) return plain(extent)
  const pairs = aligned(factorsOf(a), factorsOf(b))
  if (!pairs) for (const axis of [a, b]) protect(axis, `${what} meets them with others`)
  return pairs && pairs.map(pair => joinFactors(pair, what)).some(Boolean) ? a : plain(extent)
}
