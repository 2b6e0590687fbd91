import { join, lengthOf, plain, protect, rootOf, runsOf, splitUnits, hasUnits, type Axes, type Axis, type Run } from './axes.js'

/** Graphs that put a value beside itself again and again would have runs without end. */
const MOST_RUNS = 4096

/** Axes of values side by side: their runs one behind the other. */
export const together = (axes: Axes, what: string): Axis => {
  const parts = axes.map(runsOf)
  const isKnown = parts.every(runs => runs !== undefined) && parts.flat().length <= MOST_RUNS
  const extents = axes.map(({ extent }) => extent)
  const extent = extents.includes(undefined) ? undefined : extents.reduce<number>((sum, each) => sum + each!, 0)
  if (isKnown && axes.some(hasUnits)) return { extent, runs: parts.flat() }
  axes.forEach(axis => protect(axis, `${what} puts them beside what shows when the graph runs`))
  return plain(extent)
}

/** Values of one rank side by side along an axis; their other axes are the same ones. */
export const sideBySide = (values: readonly Axes[], at: number, what: string): Axes =>
  values[0].map(
    (axis, i) =>
    i === at ? together(values.map(axes => axes[at]), what) : values.slice(1).reduce((one, axes) => join(one, axes[i], what), axis), // prettier-ignore
  )

/** A run as two side by side; undefined where it cannot be parted there. */
const cutRun = ({ units, size, repeats }: Run, at: number): readonly [Run, Run] | undefined => {
  if (!units) {
    const all = size * repeats
    return [at, all - at].map(each => ({ size: each, repeats: 1 })) as [Run, Run]
  }
  const root = rootOf(units)
  if (root.split || repeats > 1 || at % size !== 0) return undefined
  const [first, second] = splitUnits(root, 'beside', [at / size, root.count - at / size])
  return [first, second].map(each => ({ units: each, size, repeats })) as [Run, Run]
}

/** The axes that stand side by side on one, so many positions each; undefined where no unit ends there. */
export const apart = (axis: Axis, sizes: readonly number[]): Axes | undefined => {
  if (axis.extent === undefined || sizes.reduce((a, b) => a + b, 0) !== axis.extent) return undefined
  const rest = [...(runsOf(axis) ?? [])]
  const result: Axis[] = []
  for (const extent of sizes) {
    const runs: Run[] = []
    for (let left = extent; left > 0;) {
      const run = rest.shift()
      const parts = run && lengthOf(run) > left ? cutRun(run, left) : run && [run]
      if (!parts) return undefined
      runs.push(parts[0])
      if (parts.length > 1) rest.unshift(parts[1])
      left -= lengthOf(parts[0])
    }
    result.push(runs.some(({ units }) => units) ? { extent, runs } : plain(extent))
  }
  return result
}
