import { plain, plainAxes, protect, type Axes } from '../../../couplings/axes.js'
import { withWeight } from '../../../couplings/meet.js'
import type { TfjsScope } from '../scope.js'
import { convolve, convolveBack, convolveEach, padAxes, pool, withBias, type Around, type Walk } from '../windows.js'
import { numbersOf, textOf, textsOf, type GraphNode } from './attributes.js'
import { UNKNOWN, type Rule } from './rule.js'

const pairs = (numbers: readonly number[]): readonly (readonly [number, number])[] =>
  Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i], numbers[2 * i + 1]] as const)

const aroundOf = (node: GraphNode): Around | undefined => {
  const padding = textOf(node, 'padding').toLowerCase()
  if (padding === 'same' || padding === 'valid') return padding
  const explicit = numbersOf(node, 'explicit_paddings')
  return padding === 'explicit' && explicit.length === 8 ? pairs(explicit.slice(2, 6)) : undefined
}

/** How the window of a node walks; undefined for channels before places and for padding that is not known. */
const walkOf = (node: GraphNode): Walk | undefined => {
  const around = aroundOf(node)
  if (around === undefined || !['', 'NHWC'].includes(textOf(node, 'data_format'))) return undefined
  return { strides: numbersOf(node, 'strides').slice(1, 3), dilations: numbersOf(node, 'dilations').slice(1, 3), around }
}

const WALK = 'its channels stand before its places, or its padding is not known'

/** What a fused node does behind its product: a bias, then an activation, whose slopes may be a weight. */
export const fused = (node: GraphNode, scope: TfjsScope, axes: Axes, role: 'writes' | 'carries'): readonly Axes[] | string => {
  const operators = textsOf(node, 'fused_ops')
  const [bias, slopes] = node.input.slice(2)
  if (operators.length === 0) return [axes]
  if (operators[0] !== 'BiasAdd' || operators.length > 2) return `it is fused with ${operators.join(', ')}`
  withBias(scope, axes[axes.length - 1], bias, role)
  if (operators[1] !== 'Prelu') return [axes]
  return slopes && scope.shapeOf(slopes) ? [withWeight(scope, axes, slopes, 'carries')] : 'its slopes are computed'
}

const convolution =
  (how: typeof convolve, role: 'writes' | 'carries'): Rule =>
  (node, scope) => {
    const walk = walkOf(node)
    if (!walk) return WALK
    const made = how(scope, scope.value(node.input[0]) ?? plainAxes(4), node.input[1], walk, node.op)
    return typeof made === 'string' ? made : fused(node, scope, made, role)
  }

/** (shape, W, x), where a constant names the channels that come out. */
const transposedConvolution: Rule = (node, scope) => {
  const [shape, weight, x] = node.input
  if (!walkOf(node)) return WALK
  const extents = scope.numbers(shape)
  if (extents?.length !== 4) return 'its shape shows when the graph runs'
  const made = convolveBack(scope, scope.value(x) ?? plainAxes(4), weight, node.op)
  if (typeof made === 'string') return made
  scope.tell(shape, 'value', made)
  return [made]
}

const pooling: Rule = (node, scope) => {
  const [walk, axes] = [walkOf(node), scope.value(node.input[0])]
  if (!walk) return WALK
  if (axes?.length !== 4) return UNKNOWN
  const made = pool(axes, numbersOf(node, 'ksize').slice(1, 3), walk, node.op)
  return typeof made === 'string' ? made : [made]
}

const pad: Rule = (node, scope) => {
  const [axes, around] = [scope.value(node.input[0]), scope.numbers(node.input[1])]
  if (!axes || around?.length !== 2 * axes.length) return 'what it adds shows when the graph runs'
  return [padAxes(axes, pairs(around), node.op)]
}

/** Images of another size: (batch, height, width, channels). */
const resize: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (axes?.length !== 4) return UNKNOWN
  const size = scope.numbers(node.input[1])
  for (const axis of axes.slice(1, 3)) protect(axis, `${node.op} makes others of them`)
  return [[axes[0], plain(size?.[0]), plain(size?.[1]), axes[3]]]
}

/** Places become images of a batch, or images places, as dilated convolutions were written once; channels stay. */
const places: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (axes?.length !== 4 || scope.numbers(node.input[1])?.length !== 2) return UNKNOWN
  for (const axis of axes.slice(0, 3)) protect(axis, `${node.op} makes others of them`)
  return [[...plainAxes(3), axes[3]]]
}

export const IMAGE_RULES: Readonly<Record<string, Rule>> = {
  ...{ Conv2D: convolution(convolve, 'writes'), _FusedConv2D: convolution(convolve, 'writes') },
  ...{ DepthwiseConv2dNative: convolution(convolveEach, 'carries'), FusedDepthwiseConv2dNative: convolution(convolveEach, 'carries') },
  Conv2DBackpropInput: transposedConvolution,
  ...{ AvgPool: pooling, MaxPool: pooling },
  ...{ Pad: pad, PadV2: pad, MirrorPad: pad },
  ...{ ResizeBilinear: resize, ResizeNearestNeighbor: resize },
  ...{ SpaceToBatchND: places, BatchToSpaceND: places },
}
