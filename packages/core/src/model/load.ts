import * as tf from '@tensorflow/tfjs-core'
import { decodedParameters } from './decoded-parameters.js'
import type { Env, Model, Product, Weights } from './model.js'

/** Decoded weights that stay on the device until `dispose`. */
export interface LoadedWeights {
  readonly weights: Weights
  readonly product?: Product
  dispose(): void
}

/** Reads and decodes every parameter that the stages of a model ask for; the caller disposes them. Throws NOT_FOUND for a name the store lacks. */
export const loadModel = async ({ params, stages }: Model, signal?: AbortSignal): Promise<LoadedWeights> => {
  const { load, weights, dispose } = decodedParameters(name => params.read(name, signal ? { signal } : {}), signal)
  try {
    await load(stages.flatMap(({ parameters }) => parameters))
    return { weights, dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

/** All stages in turn over loaded weights, each shown to `env.probe` by its name; the caller owns x and the result. */
export const forward = ({ stages }: Pick<Model, 'stages'>, x: tf.Tensor, env: Env): tf.Tensor =>
  tf.tidy(() =>
    stages.reduce((input, stage) => {
      const output = stage.run(input, env)
      env.probe?.(stage.name, () => output)
      return output
    }, x),
  )
