import * as tf from '@tensorflow/tfjs-core'
import { flush } from '@tersor/backend-ort'
import type { Run, Settings } from '../serve.js'
import { normalTensor } from '../values.js'

/** (n, n) · (n, n), `repeat` times; the products are computed, but not handed over to JavaScript, and so their memory is used again. */
export const prepare = ({ n, repeat }: Settings): Run => {
  const size = Number(n)
  const a = normalTensor<tf.Tensor2D>([size, size], 1)
  const b = normalTensor<tf.Tensor2D>([size, size], 2)
  const finish = tf.getBackend() === 'ort' ? flush : undefined
  return () => {
    for (let i = 0; i < Number(repeat); i++) {
      const product = tf.matMul(a, b)
      if (finish) finish()
      else product.dataSync()
      product.dispose()
    }
  }
}
