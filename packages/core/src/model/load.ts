import * as tf from '@tensorflow/tfjs-core'
import type { ParameterStore } from '@tersor/tensor'
import { decode } from './decode.js'
import type { Env, Model, Products, Stage, Weights } from './model.js'

/** Decoded weights that stay on the device until `dispose`. */
export interface LoadedWeights {
  readonly weights: Weights
  readonly products?: Products
  dispose(): void
}

/** Reads and decodes parameters; the caller disposes them. Throws NOT_FOUND for a name the store lacks. */
export const loadWeights = async (params: ParameterStore, names: readonly string[], signal?: AbortSignal): Promise<LoadedWeights> => {
  const tensors = new Map<string, tf.Tensor>()
  const dispose = (): void => tensors.forEach(tensor => tensor.dispose())
  try {
    for (const name of names) {
      if (tensors.has(name)) continue
      signal?.throwIfAborted()
      tensors.set(name, tf.keep(decode(await params.read(name, signal ? { signal } : {}))))
    }
  } catch (error) {
    dispose()
    throw error
  }
  const weights = (name: string): tf.Tensor => {
    const tensor = tensors.get(name)
    if (!tensor) throw new Error(`The stage asked for "${name}", which its list of parameters lacks.`)
    return tensor
  }
  return { weights, dispose }
}

/** Loads what a stage asks for. */
export const loadStage = (params: ParameterStore, stage: Stage, signal?: AbortSignal): Promise<LoadedWeights> =>
  loadWeights(params, stage.parameters, signal)

/** Loads every parameter of a model, for repeated forward passes. */
export const loadModel = (model: Model, signal?: AbortSignal): Promise<LoadedWeights> =>
  loadWeights(model.params, [...new Set(model.stages.flatMap(stage => stage.parameters))], signal)

/** All stages in turn over loaded weights, each shown to `env.probe` by its name; the caller owns x and the result. */
export const forward = ({ stages }: Pick<Model, 'stages'>, x: tf.Tensor, env: Env): tf.Tensor =>
  tf.tidy(() =>
    stages.reduce((input, stage) => {
      const output = stage.run(input, env)
      env.probe?.(stage.name, () => output)
      return output
    }, x),
  )
