import { backend_util, util, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { asTensor, valuesOf, type Call, type PlainKernel, type Values } from './plain-kernel.js'
import { readStrided, stridesOf } from './strided-copy.js'

/** One number of x[start … end). */
type Row = (x: Values, start: number, end: number) => number

/** As tfjs: sums in 64 bits, of means what is added is divided first; once a value is not a number, the result is not. */
const ROWS: Readonly<Record<string, Row>> = {
  Sum(x, start, end) {
    let sum = 0
    for (let i = start; i < end; i++) sum += x[i]
    return sum
  },
  Mean(x, start, end) {
    let sum = 0
    for (let i = start; i < end; i++) sum += Math.fround(x[i] / (end - start))
    return sum
  },
  Max(x, start, end) {
    let largest = x[start]
    for (let i = start; i < end; i++) if (x[i] > largest || Number.isNaN(x[i])) largest = x[i]
    return largest
  },
  Min(x, start, end) {
    let smallest = x[start]
    for (let i = start; i < end; i++) if (x[i] < smallest || Number.isNaN(x[i])) smallest = x[i]
    return smallest
  },
}

/** The values with the axes that are reduced behind all others. */
const turned = (call: Call, x: TensorInfo, axes: readonly number[]): Values => {
  const order = backend_util.getAxesPermutation([...axes], x.shape.length)
  if (!order) return valuesOf(call, x)
  const strides = stridesOf(x.shape)
  const [shape, from] = [order.map(axis => x.shape[axis]), order.map(axis => strides[axis])]
  return readStrided(valuesOf(call, x), 'float32', shape, from)
}

const byRow =
  (row: Row): PlainKernel =>
  (call, own) => {
    const { x } = call.inputs as unknown as { readonly x: TensorInfo }
    const attrs = call.attrs as unknown as Readonly<Record<'axis' | 'reductionIndices', number | number[]>> & { readonly keepDims: boolean }
    const axes = util.parseAxisParam(attrs.axis ?? attrs.reductionIndices, x.shape)
    if (x.dtype !== 'float32' || sizeOf(x.shape) === 0) return own(call)
    const [shape, reduced] = backend_util.computeOutAndReduceShapes(x.shape, axes)
    const [values, width] = [turned(call, x, axes), sizeOf(reduced)]
    const result = new Float32Array(sizeOf(shape))
    for (let i = 0; i < result.length; i++) result[i] = row(values, i * width, (i + 1) * width)
    return asTensor(call, attrs.keepDims ? backend_util.expandShapeToKeepDim(shape, axes) : shape, 'float32', result)
  }

/** Kernels that make one number of many. */
export const REDUCTIONS: Readonly<Record<string, PlainKernel>> = Object.fromEntries(
  Object.entries(ROWS).map(([name, row]) => [name, byRow(row)]),
)
