import * as tf from '@tensorflow/tfjs-core'
import { capture } from '@tersor/backend-ort'
import type { Run, Settings } from '../serve.js'
import { normalTensor } from '../values.js'

/** Channels in, channels out and stride of each block. */
const BLOCKS = [
  [16, 16, 1],
  [16, 32, 2],
  [32, 64, 2],
] as const
const RATE = 0.05

interface Convolution {
  readonly weight: tf.Variable<tf.Rank.R4>
  readonly bias: tf.Variable
}

/** ResNet-8 on 32 × 32 images with biases in place of norms, and a step of plain gradient descent. */
export const prepare = ({ batch }: Settings): Run => {
  let seed = 1
  const convolution = (size: number, inward: number, outward: number): Convolution => ({
    weight: tf.variable(normalTensor<tf.Tensor4D>([size, size, inward, outward], seed++, Math.sqrt(2 / (size * size * inward)))),
    bias: tf.variable(tf.zeros([outward])),
  })
  const first = convolution(3, 3, 16)
  const blocks = BLOCKS.map(([inward, outward, stride]) => ({
    stride,
    a: convolution(3, inward, outward),
    b: convolution(3, outward, outward),
    ...(inward === outward ? {} : { shortcut: convolution(1, inward, outward) }),
  }))
  const classifier = tf.variable(normalTensor<tf.Tensor2D>([64, 10], seed++, 0.1))
  const count = Number(batch)
  const images = normalTensor<tf.Tensor4D>([count, 32, 32, 3], seed)
  const labels = tf.oneHot(
    tf.tensor1d(
      Int32Array.from({ length: count }, (_, i) => i % 10),
      'int32',
    ),
    10,
    1,
    0,
    'float32',
  )
  const convolve = (x: tf.Tensor4D, { weight, bias }: Convolution, stride: number) =>
    tf.add(tf.conv2d(x, weight, stride, 'same'), bias) as tf.Tensor4D
  const loss = (): tf.Scalar => {
    let x = tf.relu(convolve(images, first, 1))
    for (const { stride, a, b, shortcut } of blocks) {
      const beside = shortcut ? convolve(x, shortcut, stride) : x
      x = tf.relu(tf.add(convolve(tf.relu(convolve(x, a, stride)), b, 1), beside)) as tf.Tensor4D
    }
    const logits = tf.matMul(tf.mean(x, [1, 2]) as tf.Tensor2D, classifier as tf.Tensor as tf.Tensor2D)
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), labels), -1)))
  }
  const all = [first, ...blocks.flatMap(({ a, b, shortcut }) => (shortcut ? [a, b, shortcut] : [a, b]))]
  const variables: tf.Variable[] = [...all.flatMap(({ weight, bias }) => [weight as tf.Variable, bias]), classifier as tf.Variable]
  const step = capture(() => {
    const { value, grads } = tf.variableGrads(loss, variables)
    for (const variable of variables) variable.assign(tf.sub(variable, tf.mul(grads[variable.name], RATE)))
    return value as tf.Tensor
  })
  return () => {
    const value = step()
    value.dataSync()
    value.dispose()
  }
}
