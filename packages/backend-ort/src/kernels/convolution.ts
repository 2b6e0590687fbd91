import { backend_util } from '@tensorflow/tfjs-core'
import { blockedConv, blockFilter, isBlockable } from '../blocks.js'
import type { Graph } from '../graph.js'
import type { Emit, Operand, Recorder, Rule, RuleTable, Shape } from '../trace-types.js'
import type { ConvNote } from '../rewrites/notes.js'
import { activated, knowsActivation } from './activations.js'
import { areFloats } from './are-floats.js'

export type ConvInfo = backend_util.Conv2DInfo
export const TO_NCHW = [0, 3, 1, 2]
export const TO_NHWC = [0, 2, 3, 1]

/** What tfjs's convolution kernels carry. */
export interface ConvAttributes {
  readonly strides: number | [number, number]
  readonly pad: number | 'valid' | 'same' | backend_util.ExplicitPadding
  readonly dataFormat?: 'NHWC' | 'NCHW'
  readonly dilations?: number | [number, number] | null
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil'
}

type Sizes = [number, number, number, number]
const asSizes = (shape: Shape) => [...shape] as Sizes

export function convInfo(x: Shape, filter: Shape, attributes: ConvAttributes, depthwise = false): ConvInfo {
  const { strides, pad, dilations, dimRoundingMode } = attributes
  return backend_util.computeConv2DInfo(
    asSizes(x),
    asSizes(filter),
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
    depthwise,
    'channelsLast',
  )
}

/** All that a convolution's ONNX depends on besides the shapes of its operands. */
export function convKey(info: ConvInfo): string {
  const { top, left, bottom, right } = info.padInfo
  return `${[info.filterHeight, info.filterWidth, info.strideHeight, info.strideWidth, info.dilationHeight, info.dilationWidth, top, left, bottom, right]}`
}

export function convAttributes(info: ConvInfo) {
  const { top, left, bottom, right } = info.padInfo
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, bottom, right],
  }
}

/** Rounding other than down gives sizes that ONNX would not compute from the same padding. */
export function fitsOnnx(info: ConvInfo): boolean {
  const size = (input: number, before: number, after: number, window: number, stride: number, dilation: number) =>
    Math.floor((input + before + after - (window - 1) * dilation - 1) / stride) + 1
  const { top, left, bottom, right } = info.padInfo
  const height = size(info.inHeight, top, bottom, info.filterHeight, info.strideHeight, info.dilationHeight)
  const width = size(info.inWidth, left, right, info.filterWidth, info.strideWidth, info.dilationWidth)
  return height === info.outHeight && width === info.outWidth
}

export const isChannelsLast = ({ dataFormat }: ConvAttributes) => dataFormat === undefined || dataFormat === 'NHWC'

export const transposed = (graph: Graph, x: string, permutation: readonly number[]) => graph.op('Transpose', [x], { perm: permutation })

/** NHWC outside, NCHW inside; ONNX Runtime cancels the pairs of transpositions between layers. */
export function convolve(
  recorder: Recorder,
  info: ConvInfo,
  inputs: readonly Operand[],
  activation: string | undefined,
  depthwise: boolean,
): Operand {
  const { block } = recorder
  const size = { height: info.filterHeight, width: info.filterWidth, inputs: info.inChannels, outputs: info.outChannels }
  const emitBlocked: Emit = (graph, [x, filter, bias]) => {
    const y = blockedConv(graph, [x, blockFilter(graph, filter, size, block), ...(bias === undefined ? [] : [bias])], convAttributes(info))
    return activated(graph, y, activation)
  }
  return recorder.record({
    op: 'Conv',
    inputs,
    attributes: `${convKey(info)},${depthwise ? info.inChannels : 1},${activation ?? ''}`,
    shape: info.outShape,
    dtype: 'float32',
    emit(graph, [x, filter, bias]) {
      const weights = depthwise
        ? graph.reshape(transposed(graph, filter, [2, 3, 0, 1]), [info.outChannels, 1, info.filterHeight, info.filterWidth])
        : transposed(graph, filter, [3, 2, 0, 1])
      const names = [transposed(graph, x, TO_NCHW), weights, ...(bias === undefined ? [] : [bias])]
      const y = graph.op('Conv', names, { ...convAttributes(info), group: depthwise ? info.inChannels : 1 })
      return transposed(graph, activated(graph, y, activation), TO_NHWC)
    },
    note: { info, activation, depthwise } satisfies ConvNote,
    ...(!depthwise && isBlockable(info.inChannels, info.outChannels, block) ? { emitBlocked } : {}),
  })
}

const conv2d: Rule = (recorder, { x, filter }, attributes: ConvAttributes) => {
  if (!areFloats(x, filter) || !isChannelsLast(attributes)) return null
  const info = convInfo(x.shape, filter.shape, attributes)
  return fitsOnnx(info) ? convolve(recorder, info, [x, filter], undefined, false) : null
}

const depthwiseConv2d: Rule = (recorder, { x, filter }, attributes: ConvAttributes) => {
  if (!areFloats(x, filter) || !isChannelsLast(attributes)) return null
  const info = convInfo(x.shape, filter.shape, attributes, true)
  return fitsOnnx(info) ? convolve(recorder, info, [x, filter], undefined, true) : null
}

const fused =
  (depthwise: boolean): Rule =>
  (recorder, { x, filter, bias, preluActivationWeights }, attributes: ConvAttributes & { activation?: string }) => {
    const { activation } = attributes
    if (!areFloats(x, filter, bias) || !isChannelsLast(attributes) || preluActivationWeights || !knowsActivation(activation)) return null
    const info = convInfo(x.shape, filter.shape, attributes, depthwise)
    if (!fitsOnnx(info) || (bias !== undefined && !(bias.shape.length === 1 && bias.shape[0] === info.outChannels))) return null
    return convolve(recorder, info, [x, filter, ...(bias ? [bias] : [])], activation, depthwise)
  }

export const convolutionKernels: RuleTable = {
  Conv2D: conv2d,
  DepthwiseConv2dNative: depthwiseConv2d,
  FusedConv2D: fused(false),
  FusedDepthwiseConv2D: fused(true),
}
