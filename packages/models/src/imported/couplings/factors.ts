import {
  axisOfUnits,
  flatRuns,
  hasUnits,
  plain,
  protect,
  rootOf,
  splitUnits,
  unitsOn,
  type Axes,
  type Axis,
  type Run,
  type Units,
} from './units.js'

/** One of the numbers whose product is how long an axis is: units, positions without any, or an axis that is taken as it is. */
export interface Factor {
  readonly extent: number | undefined
  readonly units?: Units
  readonly axis?: Axis
}

const number = (extent: number): readonly Factor[] => (extent === 1 ? [] : [{ extent }])

/** Units within each other; those that stand side by side in between are taken as they are. */
const within = (units: Units): readonly Factor[] => {
  const root = rootOf(units)
  if (!root.split) return [{ extent: root.count, units: root }]
  if (root.split.how === 'within') return root.split.units.flatMap(within)
  return [{ extent: root.count, axis: axisOfUnits(root) }]
}

/** The factors of one run, the outermost first. */
export const factorsOfRun = ({ units, size, repeats }: Run): readonly Factor[] =>
  units ? [...number(repeats), ...within(units), ...number(size)] : number(size * repeats)

/** The factors of an axis, the outermost first; none where it is one position. */
export const factorsOf = (axis: Axis): readonly Factor[] => {
  if (axis.parts) return axis.parts.flatMap(factorsOf)
  if (axis.runs.length === 0) return axis.extent === 1 ? [] : [{ extent: axis.extent, axis }]
  const runs = flatRuns(axis)
  return runs.length === 1 ? factorsOfRun(runs[0]) : [{ extent: axis.extent, axis: { extent: axis.extent, runs } }]
}

const axisOfFactor = ({ extent, units, axis }: Factor): Axis => axis ?? (units ? axisOfUnits(units) : plain(extent))

const isBare = ({ units, axis }: Factor): boolean => !units && !(axis && hasUnits(axis))

export const productOf = (factors: readonly { readonly extent: number | undefined }[]): number | undefined =>
  factors.reduce<number | undefined>((all, { extent }) => (all === undefined || extent === undefined ? undefined : all * extent), 1)

/** Each position becomes so many, side by side. */
export const widened = (axis: Axis, by: number): Axis => {
  if (by === 1) return axis
  if (axis.parts) return { ...axis, extent: axis.extent && axis.extent * by, parts: [...axis.parts, plain(by)] }
  const { extent, runs } = axis
  return { extent: extent === undefined ? undefined : extent * by, runs: runs.map(run => ({ ...run, size: run.size * by })) }
}

/** Units side by side are told of each of the places around them where there are so many at most: images have some dozens. */
const MOST_REPEATED = 256

/** Runs side by side, once for each of the places around them; undefined where that would be too many. */
const repeated = ({ extent, runs }: Axis, times: number): Axis | undefined => {
  if (times === 1) return { extent, runs }
  return times * runs.length > MOST_REPEATED
    ? undefined
    : { extent: extent! * times, runs: Array.from({ length: times }, () => runs).flat() }
}

/** One axis of factors. Units that stand side by side stay whole where other units stand around them, or too many places. */
export const axisOf = (factors: readonly Factor[], what: string): Axis => {
  const extent = productOf(factors)
  if (factors.length === 1) return axisOfFactor(factors[0])
  const at = factors.findIndex(each => !isBare(each))
  if (at < 0 && extent !== undefined) return plain(extent)
  const [before, after] = [factors.slice(0, at), factors.slice(at + 1)]
  const isOne = at >= 0 && extent !== undefined && after.every(isBare)
  const { units, axis: opaque } = factors[Math.max(at, 0)]
  if (isOne && units) return { extent, runs: [{ units, size: productOf(after)!, repeats: productOf(before)! }] }
  const beside = isOne && !opaque!.parts ? repeated(widened(opaque!, productOf(after)!), productOf(before)!) : undefined
  if (beside) return beside
  for (const { axis } of factors) if (axis && hasUnits(axis)) protect(axis, `${what} flattens them with what is not known`)
  return { extent, runs: [], parts: factors.map(axisOfFactor) }
}

/** Axes side by side as one. */
export const merged = (axes: Axes, what: string): Axis => axisOf(axes.flatMap(factorsOf), what)

/** A factor as two; undefined where what stands on it has no parts. */
export const halved = ({ extent, units, axis }: Factor, outer: number): readonly [Factor, Factor] | undefined => {
  if (extent === undefined || !Number.isInteger(outer) || extent % outer !== 0 || (axis && hasUnits(axis))) return undefined
  const counts = [outer, extent / outer]
  const [first, second] = units ? splitUnits(units, 'within', counts).map(each => ({ extent: each.count, units: each })) : counts.map(each => ({ extent: each })) // prettier-ignore
  return [first, second]
}

/** Factors that stand at the same positions, finer where those of the other side are; undefined where neither parts the other. */
export const aligned = (a: readonly Factor[], b: readonly Factor[]): readonly (readonly [Factor, Factor])[] | undefined => {
  const pairs: (readonly [Factor, Factor])[] = []
  const [left, right] = [[...a], [...b]]
  while (left.length > 0 && right.length > 0) {
    const [x, y] = [left.shift()!, right.shift()!]
    if (x.extent === y.extent) pairs.push([x, y])
    else {
      if (x.extent === undefined || y.extent === undefined) return undefined
      const isFirst = x.extent > y.extent
      const parts = isFirst ? halved(x, y.extent) : halved(y, x.extent)
      if (!parts) return undefined
      pairs.push(isFirst ? [parts[0], y] : [x, parts[0]])
      if (isFirst) left.unshift(parts[1])
      else right.unshift(parts[1])
    }
  }
  return left.length === 0 && right.length === 0 ? pairs : undefined
}

/** Whether two axes hold the same units. */
export const isSame = (a: Axis, b: Axis): boolean => {
  const [one, other] = [unitsOn(a), unitsOn(b)]
  return one.length === other.length && one.every((units, i) => units === other[i])
}
