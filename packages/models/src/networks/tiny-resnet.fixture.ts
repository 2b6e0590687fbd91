import * as tf from '@tensorflow/tfjs-core'
import { createRng } from '@tersor/core'
import { fromFloat32, memoryStore, sizeOf, type ParameterStore } from '@tersor/tensor'
import { parseResNetConfig } from './resnet-config.js'
import { resNetParameters } from './resnet-parameters.js'

/** A ResNet-8 over images of 8 by 8, as its description says it. */
export const tiny = {
  name: 'resnet8',
  input: { shape: [3, 8, 8], normalization: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] } },
  classes: ['a', 'b', 'c'],
  bn_eps: 1e-5,
  stages: [
    { name: 'layer1', blocks: 1, in: 4, planes: 4, stride: 1 },
    { name: 'layer2', blocks: 2, in: 4, planes: 8, stride: 2 },
  ],
}

/** Random weights for it. */
export const tinyStore = (): ParameterStore => {
  const rng = createRng(5)
  const value = (name: string) => (name.endsWith('running_var') ? 0.5 + rng.uniform() : 0.3 * rng.normal())
  return memoryStore(
    Object.fromEntries(
      resNetParameters(parseResNetConfig(tiny), false).map(({ name, shape }) => [
        name,
        fromFloat32(
          Float32Array.from({ length: sizeOf(shape) }, () => value(name)),
          'f32',
          shape,
        ),
      ]),
    ),
  )
}

/** Random images. */
export const pixels = (count: number): tf.Tensor4D => {
  const rng = createRng(9)
  return tf.tensor4d(
    Float32Array.from({ length: count * 192 }, () => rng.integer(256)),
    [count, 8, 8, 3],
  )
}

/** The largest difference of two tensors. */
export const differ = async (a: tf.Tensor, b: tf.Tensor): Promise<number> => {
  const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))))
  const [value] = await difference.data()
  difference.dispose()
  return value
}
