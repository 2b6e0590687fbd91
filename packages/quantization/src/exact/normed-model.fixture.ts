import * as tf from '@tensorflow/tfjs-core'
import type { Model, Site } from '@tersor/core'
import { fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'

const site: Site = { name: 'up', weight: 'up.weight', kind: 'linear', outAxis: 0, inAxis: 1 }

/** y = (x · norm) Wᵀ: the smallest network whose channels have a free scale. */
export const normedModel = (norm: readonly number[], weight: readonly (readonly number[])[], stored?: Parameter): Model => {
  const shape = [weight.length, norm.length]
  return {
    params: memoryStore({
      'norm.weight': fromFloat32(norm, 'f32', [norm.length]),
      'up.weight': stored ?? fromFloat32(weight.flat(), 'f32', shape),
      other: fromFloat32([1], 'f32', [1]),
    }),
    stages: [
      {
        name: 'block',
        parameters: ['norm.weight', 'up.weight'],
        sites: [site],
        scalings: [{ source: 'norm', from: [{ parameter: 'norm.weight', axis: 0, count: norm.length }], sites: [site] }],
        run: (x, env) =>
          tf.tidy(() => {
            const normed = tf.mul(x, env.weights('norm.weight'))
            env.tap?.(site, normed)
            return tf.matMul(normed as tf.Tensor2D, env.weights('up.weight') as tf.Tensor2D, false, true)
          }),
      },
    ],
  }
}
