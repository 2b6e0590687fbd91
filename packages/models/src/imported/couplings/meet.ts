import { join, plain, type Axes, type Axis } from './axes.js'
import type { LabelScope, Role } from './weight-labels.js'

/** One axis of two values: one of extent 1 is repeated along the other. */
const meet = (a: Axis | undefined, b: Axis | undefined, what: string): Axis => {
  if (!a || a.extent === 1) return b ?? a!
  if (!b || b.extent === 1) return a
  return join(a, b, what)
}

/** Axes of two values that meet element by element, from the last one on. */
export const broadcast = (a: Axes, b: Axes, what: string): Axes => {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => meet(a[i - rank + a.length], b[i - rank + b.length], what))
}

/** A value and a weight that meet element by element: the weight has what stands on the value. */
export const withWeight = (scope: LabelScope, axes: Axes, weight: string, role: Role): Axes => {
  const shape = scope.shapeOf(weight)!
  const rank = Math.max(axes.length, shape.length)
  return Array.from({ length: rank }, (_, i) => {
    const [axis, at] = [axes[i - rank + axes.length] as Axis | undefined, i - rank + shape.length]
    const extent = at < 0 ? 1 : shape[at]
    if (extent === 1) return axis ?? plain(1)
    scope.bind(weight, at, axis ?? plain(extent), role)
    return axis && axis.extent !== 1 ? axis : plain(extent)
  })
}
