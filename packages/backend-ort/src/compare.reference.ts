import * as tf from '@tensorflow/tfjs-core'

export { distance, positive, tensor, values } from '../../kernels/src/values.reference.js'

export interface Outcome {
  readonly shape: readonly number[]
  readonly dtype: string
  readonly data: ArrayLike<number>
}

/** Runs one computation on one backend, twice, so that both interpreted and compiled runs are seen. */
export async function outcome(backend: string, compute: () => tf.Tensor, times = 1): Promise<Outcome> {
  await tf.setBackend(backend)
  if (tf.getBackend() !== backend) throw new Error(`wanted ${backend}, got ${tf.getBackend()}`)
  let result: Outcome | undefined
  for (let run = 0; run < times; run++) {
    const output = tf.tidy(compute)
    result = { shape: output.shape, dtype: output.dtype, data: (await output.data()).slice() as Float32Array }
    output.dispose()
  }
  return result!
}
