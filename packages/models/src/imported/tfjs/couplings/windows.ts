import { plain, protect, widened, type Axes, type Axis } from '../../couplings/axes.js'
import type { LabelScope, Role } from '../../couplings/weight-labels.js'

/** How much stands around the places: as much as keeps the size (by strides), nothing, or numbers before and behind, place by place. */
export type Around = 'same' | 'valid' | readonly (readonly [before: number, after: number])[]

/** How a window walks over the places of an image (batch, …places, channels). */
export interface Walk {
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly around: Around
}

const walkedExtent = (extent: number, kernel: number, at: number, { strides, dilations, around }: Walk): number => {
  const stride = strides[at] ?? 1
  if (around === 'same') return Math.ceil(extent / stride)
  const padded = extent + (around === 'valid' ? 0 : (around[at] ?? [0, 0]).reduce((a, b) => a + b))
  return Math.floor((padded - (dilations[at] ?? 1) * (kernel - 1) - 1) / stride) + 1
}

/** The places of an image behind a window: units on them stay whole. */
const walked = (image: Axes, kernel: readonly number[], walk: Walk, what: string): Axes =>
  image.slice(1, -1).map((axis, at) => {
    protect(axis, `${what} walks over them`)
    return plain(axis.extent === undefined ? undefined : walkedExtent(axis.extent, kernel[at], at, walk))
  })

/** A bias of a layer: units that its last axis makes, or that it goes with. */
export const withBias = (scope: LabelScope, to: Axis, bias: string | undefined, role: Role = 'writes'): void => {
  if (bias === undefined) return
  const shape = scope.shapeOf(bias)
  if (shape?.length !== 1) return protect(to, `"${bias}" is no weight that can be cut`)
  if (shape[0] !== 1) scope.bind(bias, 0, to, role)
}

const filtersOf = (scope: LabelScope, image: Axes, weight: string | undefined): readonly number[] | string => {
  const shape = weight === undefined ? undefined : scope.shapeOf(weight)
  if (!shape || shape.length < 3) return 'its filters are computed'
  return shape.length === image.length ? shape : 'its input has other axes than its filters'
}

/** W (…kernel, in, out): it reads the channels of the image and makes others. */
export const convolve = (scope: LabelScope, image: Axes, weight: string, walk: Walk, what: string): Axes | string => {
  const shape = filtersOf(scope, image, weight)
  if (typeof shape === 'string') return shape
  const last = shape.length - 1
  scope.bind(weight, last - 1, image[last], 'reads')
  return [image[0], ...walked(image, shape, walk, what), scope.write(weight, last)]
}

/** W (…kernel, channels, several): it makes as many of each channel, side by side, and goes with the channels. */
export const convolveEach = (scope: LabelScope, image: Axes, weight: string, walk: Walk, what: string): Axes | string => {
  const shape = filtersOf(scope, image, weight)
  if (typeof shape === 'string') return shape
  const last = shape.length - 1
  scope.bind(weight, last - 1, image[last], 'carries')
  return [image[0], ...walked(image, shape, walk, what), widened(image[last], shape[last])]
}

/** W (…kernel, out, in): places become as many as strides say; how many shows when the network runs. */
export const convolveBack = (scope: LabelScope, image: Axes, weight: string, what: string): Axes | string => {
  const shape = filtersOf(scope, image, weight)
  if (typeof shape === 'string') return shape
  const last = shape.length - 1
  image.slice(1, last).forEach(axis => protect(axis, `${what} walks over them`))
  scope.bind(weight, last, image[last], 'reads')
  return [image[0], ...image.slice(1, last).map(() => plain()), scope.write(weight, last - 1)]
}

/** The channels of a pool are those of its image. */
export const pool = (image: Axes, kernel: readonly number[], walk: Walk, what: string): Axes | string =>
  image.length < 3 || kernel.length !== image.length - 2
    ? 'its input has other axes than its window'
    : [image[0], ...walked(image, kernel, walk, what), image[image.length - 1]]

/** Zeros or other numbers around axes: units stay whole where some stand beside them. */
export const padAxes = (axes: Axes, around: readonly (readonly [number, number])[], what: string): Axes =>
  axes.map((axis, i) => {
    const [before, after] = around[i] ?? [0, 0]
    if (before === 0 && after === 0) return axis
    protect(axis, `${what} adds others beside them`)
    return plain(axis.extent === undefined ? undefined : axis.extent + before + after)
  })

/** What takes some axes together, such as sums and shares: units on them stay whole. */
export const together = (axes: Axes, over: readonly number[], what: string): void =>
  over.forEach(at => protect(axes[at], `${what} takes them together`))

/** Axes some of which are gone, or have one place left. */
export const reduced = (axes: Axes, over: readonly number[], keeps: boolean, what: string): Axes => {
  together(axes, over, what)
  return keeps ? axes.map((axis, i) => (over.includes(i) ? plain(1) : axis)) : axes.filter((_, i) => !over.includes(i))
}
