import { join, protect, type Axes } from '../../couplings/axes.js'
import type { LabelScope } from '../../couplings/weight-labels.js'

/** What rules see of a tfjs network while labels go through it. */
export interface TfjsScope extends LabelScope {
  /** Numbers of the file that are the extents of these axes: a constant by its name, or a setting of a layer's config. They are written anew where units went. */
  tell(of: string | object, key: string, axes: Axes): void
}

/** Numbers of a file that are extents of axes, by what holds them. */
export interface ToldExtents {
  readonly tell: TfjsScope['tell']
  of(of: string | object): ReadonlyMap<string, Axes>
}

const NONE: ReadonlyMap<string, Axes> = new Map()

/** Numbers that are told of several axes make their units the same ones: they go from all of them together or from none. */
export const toldExtents = (): ToldExtents => {
  const all = new Map<string | object, Map<string, Axes>>()
  return {
    tell: (of, key, axes) => {
      const own = all.get(of) ?? new Map<string, Axes>()
      const before = own.get(key)
      all.set(of, own.set(key, before ?? axes))
      if (!before) return
      const reason = 'a number of the file is told of them and of others'
      if (before.length !== axes.length) for (const axis of [...before, ...axes]) protect(axis, reason)
      else axes.forEach((axis, i) => void join(before[i], axis, 'a number of the file'))
    },
    of: of => all.get(of) ?? NONE,
  }
}
