import type { Native } from './binding.js'
import { createGraph } from './graph.js'
import type { AttributeValue, Graph } from './graph.js'
import type { Shape } from './trace-types.js'

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

/** NCHW → blocked. */
export const reorderedInput = (graph: Graph, x: string) => blockedOp(graph, 'ReorderInput', [x], { channels_last: 0 })

/** NHWC → blocked; with fewer channels than a block a convolution wants NCHW. */
export function toBlocked(graph: Graph, x: string, shape: Shape, block: number): string {
  if (shape[3] < block) return graph.op('Transpose', [x], { perm: [0, 3, 1, 2] })
  return blockedOp(graph, 'ReorderInput', [x], { channels_last: 1 })
}

/** Blocked → NHWC. */
export function fromBlocked(graph: Graph, x: string, shape: Shape): string {
  return blockedOp(graph, 'ReorderOutput', [x], { channels: shape[3], channels_last: 1 })
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
  const moved = graph.op('Transpose', [graph.reshape(filter, split)], { perm: order })
  return graph.reshape(moved, [outputs, inputs, height, width])
}

export function blockedConv(graph: Graph, inputs: readonly string[], attributes: Record<string, AttributeValue>): string {
  return blockedOp(graph, 'Conv', inputs, { ...attributes, group: 1 })
}

/** One product (rows, inner) · (inner, columns), of operands that may be stored transposed. */
export interface ProductSize {
  readonly rows: number
  readonly inner: number
  readonly columns: number
  readonly transposeA: boolean
  readonly transposeB: boolean
}

/** Multiplications per number read or written from which on the reordering pays; ONNX Runtime's own product is slower over a transposed left side. */
const REUSE = { plain: 300, transposed: 200 }

/**
 * Whether a product runs faster as a blocked 1 × 1 convolution: measured with blocks of 16, where its kernel is as fast as MKL,
 * and ONNX Runtime's matrix product reaches 0.65 at 4096, whose rows of a power of two in bytes fall on the same lines of the cache.
 */
export function isBlockableProduct({ rows, inner, columns, transposeA }: ProductSize, block: number): boolean {
  const reuse = (rows * inner * columns) / (rows * inner + inner * columns + rows * columns)
  const whole = inner % block === 0 && (rows % block === 0 || columns % block === 0)
  return block === 16 && whole && reuse >= (transposeA ? REUSE.transposed : REUSE.plain)
}

/** A matrix as an image: one pixel for each row and one channel for each column, or the other way round. */
function imageOf(graph: Graph, x: string, pixels: number, channels: number, channelsFirst: boolean): string {
  const shape = channelsFirst ? [1, channels, 1, pixels] : [1, 1, pixels, channels]
  return blockedOp(graph, 'ReorderInput', [graph.reshape(x, shape)], { channels_last: +!channelsFirst })
}

/**
 * a · b as a convolution over the inner axis as input channels. Its output channels are the rows of the product where they make whole
 * blocks, because ONNX Runtime reorders channels that come first on all threads; else its columns.
 */
export function blockedProduct(graph: Graph, a: string, b: string, size: ProductSize): string {
  const { rows, inner, columns, transposeA, transposeB } = size
  const byRows = rows % 16 === 0
  const [channels, pixels] = byRows ? [rows, columns] : [columns, rows]
  const image = byRows ? imageOf(graph, b, columns, inner, !transposeB) : imageOf(graph, a, rows, inner, transposeA)
  const filter = byRows ? imageOf(graph, a, inner, rows, !transposeA) : imageOf(graph, b, inner, columns, transposeB)
  const weights = graph.reshape(filter, [channels, inner, 1, 1]) // channels/16, inner, 16: also the order of a 1 × 1 filter
  const product = blockedConv(graph, [image, weights], { kernel_shape: [1, 1] })
  const plain = blockedOp(graph, 'ReorderOutput', [product], { channels, channels_last: +!byRows })
  return graph.view(plain, byRows ? [1, rows, 1, columns] : [1, 1, pixels, channels], [rows, columns])
}
