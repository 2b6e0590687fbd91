import { blockedConv, blockFilter, fromBlocked, isBlockable, reorderedInput } from '../blocks.js'
import type { Graph } from '../graph.js'
import { sameShape } from '../shapes.js'
import type { Emit, Rule, RuleTable } from '../trace-types.js'
import { convAttributes, convInfo, convKey, fitsOnnx, isChannelsLast, TO_NCHW, TO_NHWC, transposed } from './convolution.js'
import type { ConvAttributes, ConvInfo } from './convolution.js'
import { areFloats } from './are-floats.js'

/** Far enough back for a slice with a negative step to reach the first element. */
const BEFORE_ALL = -1_000_000_000

/** The filter turned by half a turn. */
function flipped(graph: Graph, filter: string): string {
  const both = (value: number) => graph.int64([value, value])
  return graph.op('Slice', [filter, both(-1), both(BEFORE_ALL), graph.int64([0, 1]), both(-1)])
}

/** dx for stride 1 is the full correlation of dy with the flipped filter. */
function fullAttributes(info: ConvInfo) {
  const { top, left } = info.padInfo
  const height = (info.filterHeight - 1) * info.dilationHeight
  const width = (info.filterWidth - 1) * info.dilationWidth
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [1, 1],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [height - top, width - left, info.inHeight - info.outHeight + top, info.inWidth - info.outWidth + left],
  }
}

function fullCorrelation(graph: Graph, info: ConvInfo, dy: string, filter: string): string {
  const weights = transposed(graph, flipped(graph, filter), [2, 3, 0, 1])
  return graph.op('Conv', [transposed(graph, dy, TO_NCHW), weights], fullAttributes(info))
}

/** dx for larger strides, with the input's rows and columns that no window reached added at the end. */
function transposedConvolution(graph: Graph, info: ConvInfo, dy: string, filter: string): string {
  const { top, left } = info.padInfo
  const span = (out: number, stride: number, window: number, dilation: number) => (out - 1) * stride + (window - 1) * dilation + 1
  const missingHeight = info.inHeight + top - span(info.outHeight, info.strideHeight, info.filterHeight, info.dilationHeight)
  const missingWidth = info.inWidth + left - span(info.outWidth, info.strideWidth, info.filterWidth, info.dilationWidth)
  const y = graph.op('ConvTranspose', [transposed(graph, dy, TO_NCHW), transposed(graph, filter, [3, 2, 0, 1])], {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: [top, left, Math.max(0, -missingHeight), Math.max(0, -missingWidth)],
  })
  if (missingHeight <= 0 && missingWidth <= 0) return y
  return graph.op('Pad', [y, graph.int64([0, 0, 0, 0, 0, 0, Math.max(0, missingHeight), Math.max(0, missingWidth)]), graph.float(0)])
}

const inputGradient: Rule = (recorder, { dy, filter }, attributes: ConvAttributes & { inputShape: number[] }) => {
  if (!areFloats(dy, filter) || !isChannelsLast(attributes)) return null
  const info = convInfo(attributes.inputShape, filter.shape, attributes)
  const { top, left } = info.padInfo
  const unit = info.strideHeight === 1 && info.strideWidth === 1
  const wide = (info.filterHeight - 1) * info.dilationHeight < top || (info.filterWidth - 1) * info.dilationWidth < left
  if (!fitsOnnx(info) || wide || !sameShape(dy.shape, info.outShape)) return null
  const { block } = recorder
  const size = { height: info.filterHeight, width: info.filterWidth, inputs: info.outChannels, outputs: info.inChannels }
  const emitBlocked: Emit = (graph, [gradient, weights]) => {
    const swapped = transposed(graph, flipped(graph, weights), [0, 1, 3, 2])
    return blockedConv(graph, [gradient, blockFilter(graph, swapped, size, block)], fullAttributes(info))
  }
  const blockable = unit && info.outChannels % block === 0 && isBlockable(info.outChannels, info.inChannels, block)
  return recorder.record({
    op: 'ConvInputGradient',
    inputs: [dy, filter],
    attributes: convKey(info),
    shape: info.inShape,
    dtype: 'float32',
    emit: (graph, [gradient, weights]) =>
      transposed(graph, (unit ? fullCorrelation : transposedConvolution)(graph, info, gradient, weights), TO_NHWC),
    ...(blockable ? { emitBlocked } : {}),
  })
}

/** Patches side by side, (batch·height·width of the output, filter height·width·channels), by slices. */
function patches(graph: Graph, info: ConvInfo, x: string): string {
  const { top, left, bottom, right } = info.padInfo
  const padded = top || left || bottom || right ? graph.op('Pad', [x, graph.int64([0, top, left, 0, 0, bottom, right, 0])]) : x
  const slices: string[] = []
  for (let row = 0; row < info.filterHeight; row++)
    for (let column = 0; column < info.filterWidth; column++) {
      const start = [row * info.dilationHeight, column * info.dilationWidth]
      const end = [start[0] + (info.outHeight - 1) * info.strideHeight + 1, start[1] + (info.outWidth - 1) * info.strideWidth + 1]
      const steps = graph.int64([info.strideHeight, info.strideWidth])
      slices.push(graph.op('Slice', [padded, graph.int64(start), graph.int64(end), graph.int64([1, 2]), steps]))
    }
  const joined = slices.length === 1 ? slices[0] : graph.op('Concat', slices, { axis: 3 })
  return graph.reshape(joined, [info.batchSize * info.outHeight * info.outWidth, slices.length * info.inChannels])
}

/** The filter gradient by patches: one product, (outputs, pixels) · (pixels, filter height·width·channels). */
function gradientByPatches(graph: Graph, info: ConvInfo, x: string, dy: string): string {
  const pixels = graph.reshape(dy, [info.batchSize * info.outHeight * info.outWidth, info.outChannels])
  // the wide side is kept as columns, over which the product is vectorised; the small result is transposed
  const product = graph.microsoft('FusedMatMul', [pixels, patches(graph, info, x)], { transA: 1 })
  return graph.reshape(transposed(graph, product, [1, 0]), [info.filterHeight, info.filterWidth, info.inChannels, info.outChannels])
}

const takesBlockedGradient = (info: ConvInfo, block: number) =>
  block > 1 && info.batchSize % block === 0 && info.outChannels % block === 0 && info.filterHeight * info.filterWidth > 1

/**
 * The filter gradient as a blocked convolution, without patches: input channels stand for images, images for input channels,
 * dy is the filter, strides and dilations change places.
 */
function gradientByConvolution(graph: Graph, info: ConvInfo, block: number, x: string, dy: string): string {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info
  const flat = transposed(graph, graph.reshape(x, [batchSize * inHeight * inWidth, inChannels]), [1, 0])
  const images = reorderedInput(graph, graph.reshape(flat, [inChannels, batchSize, inHeight, inWidth])) // channels, N/b, H, W, b
  const split = graph.reshape(dy, [batchSize / block, block, outHeight, outWidth, outChannels / block, block])
  const filter = graph.reshape(transposed(graph, split, [4, 0, 2, 3, 1, 5]), [outChannels, batchSize, outHeight, outWidth])
  const attributes = convAttributes(info)
  const y = blockedConv(graph, [images, filter], {
    ...attributes,
    kernel_shape: [outHeight, outWidth],
    strides: attributes.dilations,
    dilations: attributes.strides,
  })
  const gradient = fromBlocked(graph, y, [inChannels, 0, 0, outChannels]) // channels, filter height or more, filter width or more, outputs
  const cut = graph.op('Slice', [gradient, graph.int64([0, 0]), graph.int64([info.filterHeight, info.filterWidth]), graph.int64([1, 2])])
  return transposed(graph, cut, [1, 2, 0, 3])
}

const filterGradient: Rule = (recorder, { x, dy }, attributes: ConvAttributes & { filterShape: number[] }) => {
  if (!areFloats(x, dy) || !isChannelsLast(attributes)) return null
  const info = convInfo(x.shape, attributes.filterShape, attributes)
  if (!fitsOnnx(info) || !sameShape(dy.shape, info.outShape)) return null
  const { block } = recorder
  return recorder.record({
    op: 'ConvFilterGradient',
    inputs: [x, dy],
    attributes: convKey(info),
    shape: attributes.filterShape,
    dtype: 'float32',
    emit: (graph, [input, gradient]) =>
      takesBlockedGradient(info, block)
        ? gradientByConvolution(graph, info, block, input, gradient)
        : gradientByPatches(graph, info, input, gradient),
  })
}

export const convolutionGradientKernels: RuleTable = { Conv2DBackpropInput: inputGradient, Conv2DBackpropFilter: filterGradient }
