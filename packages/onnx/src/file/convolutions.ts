import { numberOf, numbersOf, textOf } from './attributes.js'
import type { NodeProto } from './schema/onnx-ml_pb.js'

type Pair = readonly [number, number]

/** How a convolution walks images; one over lines walks images of height 1. */
export interface Geometry {
  readonly kernel: Pair
  readonly strides: Pair
  /** Top, bottom, left, right. */
  readonly padding: readonly [number, number, number, number]
  /** How far apart the cells of the kernel stand. */
  readonly dilations: Pair
  /** Whether each channel has one kernel of its own. */
  readonly depthwise?: boolean
  /** How many runs of channels have kernels of their own, where those are neither one nor as many as channels. */
  readonly groups?: number
}

/** Numbers for each axis of the image, as many as were given for the last ones. */
const pairOf = (numbers: readonly number[], otherwise: number): Pair => {
  const [across = otherwise, down = otherwise] = [...numbers].reverse()
  return [down, across]
}

/** Zeros around the input; undefined where they depend on its size. */
const paddingOf = (
  node: NodeProto,
  axes: number,
  { kernel, strides, dilations }: Omit<Geometry, 'padding'>,
): Geometry['padding'] | undefined => {
  const auto = textOf(node, 'auto_pad')
  if (auto === '' || auto === 'NOTSET') {
    const pads = numbersOf(node, 'pads') ?? []
    const [[top, left], [bottom, right]] = [pairOf(pads.slice(0, axes), 0), pairOf(pads.slice(axes), 0)]
    return [top, bottom, left, right]
  }
  if (auto === 'VALID') return [0, 0, 0, 0]
  if (strides.some(stride => stride !== 1)) return undefined
  const [height, width] = kernel.map((size, axis) => (size - 1) * dilations[axis])
  const before = auto === 'SAME_LOWER' ? Math.ceil : Math.floor
  const [top, left] = [before(height / 2), before(width / 2)]
  return [top, height - top, left, width - left]
}

/** How a convolution with a weight (out, in, …kernel) walks its input, or why its patches cannot be unfolded. */
export const walkOf = (node: NodeProto, shape: readonly number[]): Geometry | string => {
  const [axes, groups] = [shape.length - 2, numberOf(node, 'group', 1)]
  if (!(groups >= 1) || shape[0] % groups !== 0) return 'its groups do not divide its outputs'
  if (axes > 2) return `its kernel has ${axes} axes`
  const walk = {
    kernel: pairOf(shape.slice(2), 1),
    strides: pairOf(numbersOf(node, 'strides') ?? [], 1),
    dilations: pairOf(numbersOf(node, 'dilations') ?? [], 1),
  }
  const padding = paddingOf(node, axes, walk)
  if (!padding) return 'its padding depends on its input'
  if (groups === 1) return { ...walk, padding }
  return { ...walk, padding, ...(shape[1] === 1 && shape[0] === groups ? { depthwise: true } : { groups }) }
}
