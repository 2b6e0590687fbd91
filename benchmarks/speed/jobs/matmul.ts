import * as tf from '@tensorflow/tfjs-core'
import type { Run, Settings } from '../serve.js'
import { normalTensor } from '../values.js'

/** (n, n) · (n, n), `repeat` times. */
export const prepare = ({ n, repeat }: Settings): Run => {
  const size = Number(n)
  const a = normalTensor<tf.Tensor2D>([size, size], 1)
  const b = normalTensor<tf.Tensor2D>([size, size], 2)
  return () => {
    for (let i = 0; i < Number(repeat); i++) {
      const product = tf.matMul(a, b)
      product.dataSync()
      product.dispose()
    }
  }
}
