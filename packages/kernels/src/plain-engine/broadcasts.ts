import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { asTensor, ofNumbers, roomFor, valuesOf, type Call, type PlainKernel, type Values } from './plain-kernel.js'
import { readStrided, stridesOf } from './strided-copy.js'

/** The values of a tensor as if it had the shape; repeats along axes of 1 and along those that it lacks. */
const broadcast = (values: Values, dtype: TensorInfo['dtype'], shape: readonly number[], wide: readonly number[]): Values => {
  const [strides, lacking] = [stridesOf(shape), wide.length - shape.length]
  const from = wide.map((_, axis) => (axis < lacking || shape[axis - lacking] === 1 ? 0 : strides[axis - lacking]))
  return readStrided(values, dtype, wide, from)
}

const isShape = (shape: readonly number[], other: readonly number[]) =>
  shape.length === other.length && shape.every((extent, axis) => extent === other[axis])

const operand = (call: Call, tensor: TensorInfo, shape: readonly number[]): Values => {
  const values = valuesOf(call, tensor)
  return values.length === 1 || isShape(tensor.shape, shape) ? values : broadcast(values, tensor.dtype, tensor.shape, shape)
}

const stepOf = ({ shape }: TensorInfo) => (sizeOf(shape) === 1 ? 0 : 1)

/** A step of 0 reads one value for all places. */
type Loop = (a: Values, b: Values, to: Values, stepA: number, stepB: number) => void

/** One loop each, which compiles to what it says; tfjs has one for all, which calls a function for every element. */
const ARITHMETIC: Readonly<Record<string, Loop>> = {
  Add(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] + b[i * stepB]
  },
  Sub(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] - b[i * stepB]
  },
  Multiply(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] * b[i * stepB]
  },
  RealDiv(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] / b[i * stepB]
  },
  Maximum(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = Math.max(a[i * stepA], b[i * stepB])
  },
  Minimum(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = Math.min(a[i * stepA], b[i * stepB])
  },
  SquaredDifference(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = (a[i * stepA] - b[i * stepB]) * (a[i * stepA] - b[i * stepB])
  },
}

const COMPARISONS: Readonly<Record<string, Loop>> = {
  Equal(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] === b[i * stepB] ? 1 : 0
  },
  NotEqual(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] !== b[i * stepB] ? 1 : 0
  },
  Greater(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] > b[i * stepB] ? 1 : 0
  },
  GreaterEqual(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] >= b[i * stepB] ? 1 : 0
  },
  Less(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] < b[i * stepB] ? 1 : 0
  },
  LessEqual(a, b, to, stepA, stepB) {
    for (let i = 0; i < to.length; i++) to[i] = a[i * stepA] <= b[i * stepB] ? 1 : 0
  },
}

const byLoop =
  (loop: Loop, dtype?: 'bool'): PlainKernel =>
  (call, own) => {
    const { a, b } = call.inputs as { readonly a: TensorInfo; readonly b: TensorInfo }
    if (!ofNumbers(a, b)) return own(call)
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape)
    const result = roomFor(dtype ?? a.dtype, sizeOf(shape))
    loop(operand(call, a, shape), operand(call, b, shape), result, stepOf(a), stepOf(b))
    return asTensor(call, shape, dtype ?? a.dtype, result)
  }

const each = (loops: Readonly<Record<string, Loop>>, dtype?: 'bool') =>
  Object.entries(loops).map(([name, loop]) => [name, byLoop(loop, dtype)] as const)

/** Kernels of two operands, of which either may be repeated. */
export const BROADCASTS: Readonly<Record<string, PlainKernel>> = Object.fromEntries([...each(ARITHMETIC), ...each(COMPARISONS, 'bool')])
