import { join, plain, protect, runsOf, type Axes, type Axis } from './axes.js'

/** Graphs that put a value beside itself again and again would have runs without end. */
const MOST_RUNS = 4096

/** Axes of values side by side: their runs one behind the other. */
const together = (axes: Axes, what: string): Axis => {
  const parts = axes.map(runsOf)
  const isKnown = parts.every(runs => runs !== undefined) && parts.flat().length <= MOST_RUNS
  const extents = axes.map(({ extent }) => extent)
  const extent = extents.includes(undefined) ? undefined : extents.reduce<number>((sum, each) => sum + each!, 0)
  if (isKnown && axes.some(({ runs }) => runs.length > 0)) return { extent, runs: parts.flat() }
  axes.forEach(axis => protect(axis, `${what} puts them beside what shows when the graph runs`))
  return plain(extent)
}

/** Values of one rank side by side along an axis; their other axes are the same ones. */
export const sideBySide = (values: readonly Axes[], at: number, what: string): Axes =>
  values[0].map(
    (axis, i) =>
    i === at ? together(values.map(axes => axes[at]), what) : values.slice(1).reduce((one, axes) => join(one, axes[i], what), axis), // prettier-ignore
  )
