import { registerKernel } from '@tensorflow/tfjs-core'
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'
import type { OrtEngine } from './engine.js'
import { arrayOf } from './feeds.js'
import { sizeOf } from './shapes.js'
import { newValue } from './trace.js'
import type { NativeArray, Operand } from './types.js'

/** The kernel behind `adamUpdate` of @tersor/kernels. */
export const ADAM_KERNEL = 'OrtAdam'

export interface AdamFactors {
  readonly beta1: number
  readonly beta2: number
  /** Learning rate with both bias corrections. */
  readonly rate: number
  /** ε with the second bias correction. */
  readonly epsilon: number
  /** What is left of the parameter itself: 1 − learning rate · weight decay. */
  readonly keep: number
}

type Floats = readonly [parameter: NativeArray, gradient: NativeArray, mean: NativeArray, square: NativeArray]

/** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← keep·w − rate·m / (√v + ε) in one pass over memory; a graph would take twelve. */
function step([w, g, m, v]: Floats, [nextW, nextM, nextV]: readonly NativeArray[], factors: AdamFactors): void {
  const { beta1, beta2, rate, epsilon, keep } = factors
  const [rest1, rest2] = [1 - beta1, 1 - beta2]
  for (let at = 0; at < w.length; at++) {
    const gradient = g[at]!
    const mean = Math.fround(beta1 * m[at]! + rest1 * gradient)
    const square = Math.fround(beta2 * v[at]! + rest2 * gradient * gradient)
    nextM![at] = mean
    nextV![at] = square
    nextW![at] = keep * w[at]! - (rate * mean) / (Math.sqrt(square) + epsilon)
  }
}

function kernel({ backend, pool }: OrtEngine): KernelFunc {
  return ({ inputs, attrs }) => {
    const named = inputs as Record<string, TensorInfo>
    const operands = ['parameter', 'gradient', 'mean', 'square'].map(name => backend.operandOf(named[name]!))
    for (const { value } of operands) backend.materialise(value)
    const { shape } = operands[0]!
    const outputs = [0, 1, 2].map(() => pool.take('float32', sizeOf(shape)))
    step(operands.map(arrayOf) as unknown as Floats, outputs, attrs as unknown as AdamFactors)
    return outputs.map(values => {
      const operand: Operand = { value: { ...newValue('float32'), values }, shape, dtype: 'float32' }
      return backend.own(operand)
    })
  }
}

export function registerAdam(engine: OrtEngine, backendName: string): void {
  registerKernel({ kernelName: ADAM_KERNEL, backendName, kernelFunc: kernel(engine) })
}
