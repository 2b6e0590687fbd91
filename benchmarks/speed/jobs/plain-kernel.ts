import * as tf from '@tensorflow/tfjs-core'
import type { Run, Settings } from '../serve.js'
import { normalTensor } from '../values.js'

interface Kernel {
  /** Of its inputs. */
  readonly shapes: readonly (readonly number[])[]
  readonly run: (...inputs: tf.Tensor[]) => tf.Tensor
}

/** Of a filter (3, 3, in, out) over images: (batch, rows, columns, in) and (batch, rows, columns, out). */
const FILTER = { strides: 1, pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 16, 32] }
const X = [256, 384]

const KERNELS: Readonly<Record<string, Kernel>> = {
  cut: { shapes: [X], run: x => tf.slice(x, [0, 64], [-1, 64]) },
  repeated: { shapes: [X, [256, 1]], run: (x, column) => tf.add(x, column) },
  softmax: { shapes: [X], run: x => tf.softmax(x) },
  sum: { shapes: [X], run: x => tf.sum(x, 0) },
  product: { shapes: [X, [384, 96]], run: (x, w) => tf.matMul(x, w) },
  filter: {
    shapes: [[2, 16, 16, 16], [2, 16, 16, 32]], // prettier-ignore
    run: (x, dy) => tf.engine().runKernel('Conv2DBackpropFilter', { x, dy }, FILTER),
  },
}

/** One kernel, `repeat` times. */
export const prepare = ({ kernel, repeat }: Settings): Run => {
  const { shapes, run } = KERNELS[String(kernel)]
  const inputs = shapes.map((shape, i) => normalTensor(shape, i + 1))
  return () => {
    for (let i = 0; i < Number(repeat); i++) {
      const result = run(...inputs)
      result.dataSync()
      result.dispose()
    }
  }
}
