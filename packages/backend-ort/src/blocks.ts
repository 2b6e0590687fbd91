import type { Native } from './binding.js'
import { createGraph } from './graph.js'
import type { AttributeValue, Graph } from './graph.js'
import type { Shape } from './types.js'

/** ONNX Runtime's own layout for convolutions: channels in blocks as wide as a vector register, N C/b H W b. */
export const BLOCKED_DOMAIN = 'com.microsoft.nchwc'

const CHANNELS = 16

/**
 * Finds how many channels a block holds on this processor (16 with AVX-512, 8 with AVX2), or 1 where there are no blocks.
 * Reorders 16 channels of two pixels and looks at what comes ninth: channel 8 of the first pixel, or the second pixel.
 */
export function detectBlock(native: Native): number {
  const shape = [1, CHANNELS, 1, 2]
  const graph = createGraph()
  const output = graph.op('ReorderInput', [graph.input('x', 'float32', shape)], { channels_last: 0 }, BLOCKED_DOMAIN)
  graph.output(output, 'float32', shape)
  try {
    const session = native.open(graph.model(), { threads: 1, optimise: false })
    const pixels = Float32Array.from({ length: 2 * CHANNELS }, (_, at) => at) // channel c, pixel p: 2c + p
    const reordered = new Float32Array(2 * CHANNELS)
    session.run({ x: native.tensor('float32', pixels, shape) }, { [output]: native.tensor('float32', reordered, shape) })
    session.dispose()
    if (reordered[8] === 16 && reordered[16] === 1) return 16
    return reordered[8] === 1 && reordered[16] === 16 ? 8 : 1
  } catch {
    return 1
  }
}

const blockedOp = (graph: Graph, type: string, inputs: readonly string[], attributes: Record<string, AttributeValue>) =>
  graph.op(type, inputs, attributes, BLOCKED_DOMAIN)

/** NHWC → blocked; with fewer channels than a block a convolution wants NCHW. */
export function toBlocked(graph: Graph, x: string, shape: Shape, block: number): string {
  if (shape[3]! < block) return graph.op('Transpose', [x], { perm: [0, 3, 1, 2] })
  return blockedOp(graph, 'ReorderInput', [x], { channels_last: 1 })
}

/** Blocked → NHWC. */
export function fromBlocked(graph: Graph, x: string, shape: Shape): string {
  return blockedOp(graph, 'ReorderOutput', [x], { channels: shape[3]!, channels_last: 1 })
}

export interface FilterSize {
  readonly height: number
  readonly width: number
  readonly inputs: number
  readonly outputs: number
}

/** Whether a convolution can run blocked: whole blocks out, and whole blocks or less than one in. */
export const isBlockable = (inputs: number, outputs: number, block: number) =>
  block > 1 && outputs % block === 0 && (inputs % block === 0 || inputs < block)

/** A filter (height, width, inputs, outputs) in the order of a blocked convolution: O/b I/b H W b b, or O/b I H W b for few inputs. */
export function blockFilter(graph: Graph, filter: string, { height, width, inputs, outputs }: FilterSize, block: number): string {
  const [split, order] =
    inputs < block
      ? [[height, width, inputs, outputs / block, block], [3, 2, 0, 1, 4]]
      : [[height, width, inputs / block, block, outputs / block, block], [4, 2, 0, 1, 3, 5]] // prettier-ignore
  const moved = graph.op('Transpose', [graph.reshape(filter, split!)], { perm: order! })
  return graph.reshape(moved, [outputs, inputs, height, width])
}

export function blockedConv(graph: Graph, inputs: readonly string[], attributes: Record<string, AttributeValue>): string {
  return blockedOp(graph, 'Conv', inputs, { ...attributes, group: 1 })
}
