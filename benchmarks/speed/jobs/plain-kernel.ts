import * as tf from '@tensorflow/tfjs-core'
import type { Run, Settings } from '../serve.js'
import { normalTensor } from '../values.js'

/** x: (256, 384), column: (256, 1), w: (384, 96). */
const KERNELS: Readonly<Record<string, (x: tf.Tensor2D, column: tf.Tensor2D, w: tf.Tensor2D) => tf.Tensor>> = {
  cut: x => tf.slice(x, [0, 64], [-1, 64]),
  repeated: (x, column) => tf.add(x, column),
  softmax: x => tf.softmax(x),
  sum: x => tf.sum(x, 0),
  product: (x, _column, w) => tf.matMul(x, w),
}

/** The gradient of a filter (3, 3, 16, 32) over images (2, 16, 16, 16). */
const filterGradient = (): (() => tf.Tensor) => {
  const x = normalTensor<tf.Tensor4D>([2, 16, 16, 16], 4)
  const dy = normalTensor<tf.Tensor4D>([2, 16, 16, 32], 5)
  const attributes = { strides: 1, pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 16, 32] }
  return () => tf.engine().runKernel('Conv2DBackpropFilter', { x, dy }, attributes)
}

/** One kernel, `repeat` times. */
export const prepare = ({ kernel, repeat }: Settings): Run => {
  const x = normalTensor<tf.Tensor2D>([256, 384], 1)
  const column = normalTensor<tf.Tensor2D>([256, 1], 2)
  const w = normalTensor<tf.Tensor2D>([384, 96], 3)
  const work = kernel === 'filter' ? filterGradient() : () => KERNELS[String(kernel)](x, column, w)
  return () => {
    for (let i = 0; i < Number(repeat); i++) {
      const result = work()
      result.dataSync()
      result.dispose()
    }
  }
}
