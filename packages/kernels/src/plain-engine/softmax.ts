import type { TensorInfo } from '@tensorflow/tfjs-core'
import { asTensor, valuesOf, type PlainKernel } from './plain-kernel.js'

/** exp(xᵢ − max x) / Σ exp(xⱼ − max x) along the last axis, each step rounded to 32 bits and sums in 64, as tfjs does in five kernels. */
const softmax: PlainKernel = (call, own) => {
  const { logits } = call.inputs as unknown as { readonly logits: TensorInfo }
  const { dim } = call.attrs as unknown as { readonly dim: number }
  const width = logits.shape.at(-1)
  const isLast = dim === -1 || dim === logits.shape.length - 1
  if (!isLast || !width || logits.dtype !== 'float32') return own(call)
  const x = valuesOf(call, logits)
  const result = new Float32Array(x.length)
  for (let start = 0; start < x.length; start += width) softmaxRow(x, result, start, start + width)
  return asTensor(call, logits.shape, 'float32', result)
}

const softmaxRow = (x: ArrayLike<number>, result: Float32Array, start: number, end: number) => {
  let largest = x[start]
  for (let i = start; i < end; i++) if (x[i] > largest || Number.isNaN(x[i])) largest = x[i]
  let sum = 0
  for (let i = start; i < end; i++) {
    result[i] = Math.exp(Math.fround(x[i] - largest))
    sum += result[i]
  }
  const divisor = Math.fround(sum)
  for (let i = start; i < end; i++) result[i] /= divisor
}

export const SOFTMAX: Readonly<Record<string, PlainKernel>> = { Softmax: softmax }
