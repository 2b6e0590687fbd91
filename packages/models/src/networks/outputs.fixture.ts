import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel, type Model } from '@tersor/core'
import { fromFloat32, memoryStore, toFloat32, type Dense, type Parameter } from '@tersor/tensor'

/** All outputs of a model for some inputs. */
export const outputsOf = async (model: Model, make: () => tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const [x, y] = tf.tidy(() => {
    const input = make()
    return [input, forward(model, input, { weights })]
  })
  const values = (await y.data()) as Float32Array
  tf.dispose([x, y])
  dispose()
  return values.slice()
}

/** The largest difference of two lists of numbers, NaN where there are any. */
export const largestGap = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) return Infinity
  let most = 0
  for (let i = 0; i < a.length; i++) most = Number.isNaN(a[i] - b[i]) ? NaN : Math.max(most, Math.abs(a[i] - b[i]))
  return most
}

const IDS = [3, 5, 1, 8, 2, 9, 4, 7]
export const someIds = (): tf.Tensor => tf.tensor2d([IDS, [...IDS].reverse()], [2, 8], 'int32')

/** The same network with other weights in the place of some: `change` gives new values or leaves the parameter. */
export const withValues = async <M extends Model>(model: M, change: (name: string, values: Float32Array) => Float32Array): Promise<M> => {
  const all: Record<string, Parameter> = {}
  for (const name of model.params.names()) {
    const parameter = (await model.params.read(name)) as Dense
    all[name] = fromFloat32(change(name, toFloat32(parameter)), parameter.dtype, parameter.shape)
  }
  return { ...model, params: memoryStore(all) }
}
