/** Units that stand on axes of values and weights, and go from all of them together. */
export interface Units {
  readonly count: number
  /** The units that these turned out to be. */
  joined?: Units
  /** Why they stay whole. */
  reason?: string
  /** What these turned out to be: units within units, the outermost first, or units side by side. */
  split?: { readonly how: 'within' | 'beside'; readonly units: readonly Units[] }
  /** Whether attention looks with each of them by itself. */
  heads?: boolean
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
  /** The axes that it was put together from, the outermost first, where no run tells that. */
  readonly parts?: readonly Axis[]
}

/** An extent that a graph asks for when it runs: a number, or the axis that has it. */
export type Extent = number | Axis

export type Axes = readonly Axis[]

export const plain = (extent?: number): Axis => ({ extent, runs: [] })

/** An axis of new units that no weight makes. */
export const axisOfUnits = (units: Units): Axis => ({ extent: units.count, runs: [{ units, size: 1, repeats: 1 }] })

export const rootOf = (units: Units): Units => {
  let root = units
  while (root.joined) root = root.joined
  return root
}

/** Those that units turned out to be made of, down to the last. */
export const leavesOf = (units: Units): readonly Units[] => {
  const root = rootOf(units)
  return root.split ? root.split.units.flatMap(leavesOf) : [root]
}

/** How many there are where each of the last ones counts as `count` says. */
const countWith = (units: Units, count: (each: Units) => number): number => {
  const root = rootOf(units)
  if (!root.split) return count(root)
  const counts = root.split.units.map(each => countWith(each, count))
  return counts.reduce((all, each) => (root.split!.how === 'within' ? all * each : all + each))
}

/** Positions of a run where each of its units counts as `count` says. */
export const lengthOf = ({ units, size, repeats }: Run, count = (each: Units): number => each.count): number =>
  (units ? countWith(units, count) : 1) * size * repeats

/** All that stand on an axis, the outermost first. */
export const unitsOn = ({ runs, parts }: Axis): readonly Units[] =>
  parts ? parts.flatMap(unitsOn) : runs.flatMap(({ units }) => (units ? leavesOf(units) : []))

export const hasUnits = ({ runs, parts }: Axis): boolean => (parts ? parts.some(hasUnits) : runs.length > 0)

/** Keeps the units of an axis whole; the first reason is the one that is told. */
export const protect = (axis: Axis, reason: string): void => {
  for (const each of unitsOn(axis)) each.reason ??= reason
}

/** The same units, none of which is split. */
export const joinUnits = (a: Units, b: Units): void => {
  const [one, other] = [rootOf(a), rootOf(b)]
  if (one === other) return
  if (other.reason !== undefined) one.reason ??= other.reason
  if (other.heads) one.heads = true
  other.joined = one
}

/** Finds that units are so many within each other, or side by side. */
export const splitUnits = (units: Units, how: 'within' | 'beside', counts: readonly number[]): readonly Units[] => {
  const { reason } = units
  const pieces = counts.map((count): Units => ({ count, ...(reason === undefined ? {} : { reason }) }))
  rootOf(units).split = { how, units: pieces }
  return pieces
}

/** Runs in which what stands side by side does so. */
export const flatRuns = ({ runs }: Pick<Axis, 'runs'>): readonly Run[] =>
  runs.flatMap(run => {
    const split = run.units && rootOf(run.units).split
    if (split?.how !== 'beside' || run.repeats > 1) return [run]
    return flatRuns({ runs: split.units.map(units => ({ ...run, units })) })
  })
