import * as tf from '@tensorflow/tfjs-core'
import { wasmKernels, type WasmKernels } from './wasm.js'

/** A parameter, its gradient and what Adam keeps about it, all of one shape. */
export interface AdamTensors {
  readonly parameter: tf.Tensor
  readonly gradient: tf.Tensor
  /** Running mean of gradients; zeros before the first step. */
  readonly mean: tf.Tensor
  /** Running mean of squared gradients; zeros before the first step. */
  readonly square: tf.Tensor
}

export interface AdamUpdateOptions {
  readonly rate: number
  /** 1 for the first step. */
  readonly step: number
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** Part of the parameter that a rate of 1 would take away. */
  readonly weightDecay?: number
}

type Factors = Readonly<Record<'beta1' | 'beta2' | 'rate' | 'epsilon' | 'keep', number>>

/** The bias corrections put into two scalars: η√(1−β₂ᵗ)/(1−β₁ᵗ) and ε√(1−β₂ᵗ). */
function factorsOf({ rate, step, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamUpdateOptions): Factors {
  const root = Math.sqrt(1 - beta2 ** step)
  return { beta1, beta2, rate: (rate * root) / (1 - beta1 ** step), epsilon: epsilon * root, keep: 1 - rate * weightDecay }
}

function inTensors({ parameter, gradient, mean, square }: AdamTensors, { beta1, beta2, rate, epsilon, keep }: Factors): tf.Tensor[] {
  const m = tf.add(tf.mul(mean, beta1), tf.mul(gradient, 1 - beta1))
  const v = tf.add(tf.mul(square, beta2), tf.mul(tf.square(gradient), 1 - beta2))
  const moved = tf.div(tf.mul(m, rate), tf.add(tf.sqrt(v), epsilon))
  return [tf.sub(keep === 1 ? parameter : tf.mul(parameter, keep), moved), m, v]
}

/** Numbers of each tensor that are in WebAssembly at once, and in the second cache with it. */
const CHUNK = 16_384

/** Made at the first step: an instance for each parameter of each step would take longer than small ones. */
let instance: WasmKernels | undefined

/** The step in one pass over memory: parameter, gradient, mean and square → parameter, mean and square. */
const inOnePass = (from: readonly Float32Array[], to: readonly Float32Array[], factors: Factors): void => {
  const { beta1, beta2, rate, epsilon, keep } = factors
  const kernels = (instance ??= wasmKernels())
  const { length } = from[0]
  const arena = kernels.arena(4 * 4 * CHUNK)
  const [w, g, m, v] = from.map(() => arena.f32(CHUNK))
  for (let start = 0; start < length; start += CHUNK) {
    const count = Math.min(CHUNK, length - start)
    for (const [i, room] of [w, g, m, v].entries()) room.set(from[i].subarray(start, start + count))
    const places = [w, g, m, v].map(({ byteOffset }) => byteOffset) as [number, number, number, number]
    kernels.adamStep(...places, count, beta1, 1 - beta1, beta2, 1 - beta2, rate, epsilon, keep)
    for (const [i, room] of [w, m, v].entries()) to[i].set(room.subarray(0, count), start)
  }
}

/** The kernel of @tersor/backend-ort that runs the pass over its arrays, or records three nodes where a function is captured. */
const FUSED = 'OrtAdam'

/**
 * One step of Adam with decoupled weight decay: the parameter, mean and square after it; all tensors are the caller's.
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← (1−ηλ)w − η·m̂/(√v̂ + ε).
 * On @tersor/backend-ort it is one pass in WebAssembly, and what the gradient hangs on runs first; within `capture` it is recorded.
 * Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101
 */
export function adamUpdate(
  { parameter, gradient, mean, square }: AdamTensors,
  options: AdamUpdateOptions,
): readonly [parameter: tf.Tensor, mean: tf.Tensor, square: tf.Tensor] {
  const factors = factorsOf(options)
  const inputs = { parameter, gradient, mean, square }
  const fused = tf.getKernel(FUSED, tf.getBackend()) !== undefined
  const attributes: object = { ...factors, pass: inOnePass } // which tfjs hands on as they are
  const run = () => tf.engine().runKernel<tf.Tensor[]>(FUSED, inputs, attributes as tf.NamedAttrMap)
  const [w, m, v] = fused ? run() : tf.tidy(() => inTensors(inputs, factors))
  return [w, m, v]
}
