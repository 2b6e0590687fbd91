import * as tf from '@tensorflow/tfjs-core'
import { replay } from '@tersor/kernels/replay'
import { forward } from '../model/load.js'
import type { Model, Weights } from '../model/model.js'
import type { Batch, Loss } from './losses.js'

/** Shapes of batches whose steps are kept as graphs; those of more shapes run their JavaScript each time. */
const RECORDED = 8

export interface Gradients {
  readonly loss: tf.Scalar
  /** In the order of the variables; undefined for one that the loss does not depend on. */
  readonly gradients: readonly (tf.Tensor | undefined)[]
}

/** Makes the loss of a batch and its gradients, which are the caller's. */
export interface GradientsOf {
  (batch: Batch): Gradients
  dispose(): void
}

export interface GradientsOptions {
  readonly model: Model
  readonly objective: Loss
  readonly variables: readonly tf.Variable[]
  readonly weights: Weights
  readonly clipNorm?: number
}

/** min(1, limit / ‖all gradients‖). */
const clipFactor = (gradients: readonly tf.Tensor[], limit: number): tf.Tensor => {
  const norm = tf.sqrt(tf.addN(gradients.map(gradient => tf.sum(tf.square(gradient)))))
  return tf.minimum(1, tf.div(limit, tf.add(norm, 1e-12)))
}

/**
 * Loss and gradients of a batch, scaled down together to `clipNorm`. On @tersor/backend-ort the first batch of a shape is recorded, and
 * later ones run as one graph without the JavaScript of network and objective.
 */
export const gradientsOf = async ({ model, objective, variables, weights, clipNorm }: GradientsOptions): Promise<GradientsOf> => {
  let names: readonly string[] = []
  let reached: readonly number[] = []
  const compute = (...tensors: tf.Tensor[]): tf.Tensor[] => {
    const batch = Object.fromEntries(names.map((name, at) => [name, tensors[at]])) as Record<keyof Batch, tf.Tensor>
    const { value, grads } = tf.variableGrads(() => objective(forward(model, batch.input, { weights }), batch), [...variables])
    const found = variables.map(({ name }) => grads[name] as tf.Tensor | undefined)
    reached = found.flatMap((gradient, at) => (gradient ? [at] : []))
    const gradients = found.filter(gradient => gradient !== undefined)
    if (clipNorm === undefined) return [value, ...gradients]
    const factor = clipFactor(gradients, clipNorm)
    return [value, ...gradients.map(gradient => tf.mul(gradient, factor))]
  }
  const recorded = await replay(compute)
  const shapes = new Set<string>()
  const isRecorded = (tensors: readonly tf.Tensor[]): boolean => {
    const shape = tensors.map(tensor => `${tensor.dtype}[${tensor.shape}]`).join()
    if (shapes.size < RECORDED) shapes.add(shape)
    return shapes.has(shape)
  }
  const run = (batch: Batch): Gradients => {
    const tensors = Object.values(batch)
    names = Object.keys(batch)
    const [loss, ...found] = tf.tidy(() => (recorded && isRecorded(tensors) ? recorded : compute)(...tensors))
    const gradients = variables.map<tf.Tensor | undefined>(() => undefined)
    reached.forEach((at, i) => (gradients[at] = found[i]))
    return { loss: loss as tf.Scalar, gradients }
  }
  return Object.assign(run, { dispose: () => recorded?.dispose() })
}
