import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng } from '@tersor/core'
import type { Replaced } from '../replace-kernel.js'
import { KERNELS, registerPlainKernels } from './register.js'

type Tensors = tf.Tensor | tf.Tensor[]

const ownOf = (name: string) => (tf.getKernel(name, 'cpu').kernelFunc as Replaced).own

beforeAll(async () => {
  await tf.setBackend('cpu')
  registerPlainKernels()
  registerPlainKernels() // again does nothing more
  expect(tf.getBackend()).toBe('cpu')
})

/** Runs with the kernels that tfjs brought. */
const byTfjs = <T>(run: () => T): T => {
  for (const name of Object.keys(KERNELS)) {
    const [known, own] = [tf.getKernel(name, 'cpu'), ownOf(name)]
    tf.unregisterKernel(name, 'cpu')
    tf.registerKernel({ ...known, kernelFunc: own })
  }
  try {
    return run()
  } finally {
    registerPlainKernels()
  }
}

const read = (tensors: Tensors) => [tensors].flat().map(each => [each.dtype, each.shape, Array.from(each.dataSync())])

let rng = createRng(3)
/** The case with the same random values each time. */
const run = (name: string): Tensors => {
  rng = createRng(3)
  return tf.tidy(CASES[name])
}
const random = (...shape: number[]) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  )
const whole = (...shape: number[]) => tf.cast(tf.mul(random(...shape), 3), 'int32')
const odd = () => tf.tensor2d([[NaN, 1, -0], [Infinity, -Infinity, 0]]) // prettier-ignore
const [x, small, wide] = [random(3, 4, 5, 6), random(4, 1, 6), random(7, 100)]

/** The gradient of a filter (rows, columns, in, out) over x (2, 9, 8, in). */
const ofFilter = (
  filterShape: [number, number, number, number],
  strides: number | [number, number],
  pad: 'same' | 'valid' | number,
  format: 'NHWC' | 'NCHW' = 'NHWC',
) => {
  const given = format === 'NHWC' ? random(2, 9, 8, filterShape[2]) : random(2, filterShape[2], 9, 8)
  const dy = tf.onesLike(tf.conv2d(given as tf.Tensor4D, tf.zeros(filterShape), strides, pad, format, 1, pad === 1 ? 'floor' : undefined))
  const attributes = { strides, pad, dataFormat: format, dimRoundingMode: pad === 1 ? 'floor' : undefined, filterShape }
  return tf
    .engine()
    .runKernel(
      'Conv2DBackpropFilter',
      { x: given, dy: tf.mul(dy, random(...dy.shape)) },
      attributes as unknown as tf.NamedAttrMap,
    ) as tf.Tensor
}

const CASES: Readonly<Record<string, () => Tensors>> = {
  'gradients of filters': () => [
    ofFilter([3, 3, 4, 5], 1, 'same'),
    ofFilter([3, 2, 3, 2], 2, 'same'),
    ofFilter([4, 4, 3, 6], 4, 'valid'),
    ofFilter([3, 3, 1, 2], [2, 3], 1),
    ofFilter([1, 1, 5, 4], 2, 'valid'),
    ofFilter([3, 3, 2, 2], 1, 'same', 'NCHW'),
  ],
  'operands of one shape': () => tf.add(x, tf.sub(x, x)),
  'an operand that repeats along outer and inner axes': () => [tf.mul(x, small), tf.div(small, x), tf.squaredDifference(x, small)],
  'both operands that repeat': () => [tf.sub(random(3, 1), random(1, 4)), tf.maximum(random(5, 1, 2), random(4, 1))],
  'one number for all': () => [tf.add(x, 1), tf.sub(tf.scalar(2), x), tf.minimum(tf.reshape(tf.scalar(0.5), [1, 1]), wide)],
  'integers, and numbers that are none': () => [tf.mul(whole(3, 4), whole(4)), tf.add(odd(), tf.tensor1d([1, NaN, -0])), tf.div(odd(), 0)],
  comparisons: () => [
    tf.greater(x, small),
    tf.less(small, x),
    tf.greaterEqual(whole(9), 1),
    tf.lessEqual(whole(9), 1),
    tf.equal(whole(3, 4), whole(4)),
    tf.notEqual(odd(), odd()),
  ],
  'truths and nothing at all': () => [tf.equal(tf.tensor1d([true, false], 'bool'), true), tf.add(tf.zeros([0, 4]), tf.zeros([1, 4]))],
  cuts: () => [tf.slice(x, [1, 0, 2, 1], [2, 3, 1, 4]), tf.slice(x, [0, 1]), tf.slice(x, 2), tf.slice(whole(4, 5), [1, 1], [0, 3])],
  parts: () => [...tf.split(x, 3, -1), ...tf.split(x, [1, 3], 1), ...tf.split(x, 3, 0), ...tf.split(whole(2, 4), 2, 1)],
  turns: () => [tf.transpose(x), tf.transpose(x, [0, 2, 1, 3]), tf.transpose(x, [3, 0, 1, 2]), tf.transpose(whole(2, 3))],
  repetitions: () => [tf.tile(small, [2, 3, 1]), tf.tile(whole(2, 3), [3, 2]), tf.broadcastTo(small, [2, 4, 5, 6])],
  paddings: () => [tf.pad(wide, [[1, 0], [2, 3]]), tf.pad(whole(4), [[2, 1]], 7), tf.pad(x, [[0, 0], [1, 1], [0, 0], [0, 2]], -0.5)], // prettier-ignore
  gathers: () => [
    tf.gather(x, tf.tensor1d([2, 0, 0], 'int32')),
    tf.gather(x, tf.tensor2d([[3, 0], [1, 1]], [2, 2], 'int32'), -2), // prettier-ignore
    tf.gather(wide, tf.tensor2d([[1], [2], [0], [4], [3], [5], [99]], [7, 1], 'int32'), 1, 1),
    tf.gather(whole(4), 2),
  ],
  'sums of segments': () => [
    tf.unsortedSegmentSum(wide as tf.Tensor2D, tf.tensor1d([2, 0, 2, 1, 9, 2, 0], 'int32'), 4),
    tf.unsortedSegmentSum(tf.tensor1d([1, 2, 3]), tf.tensor1d([0, 0, 2], 'int32'), 3),
  ],
  softmax: () => [tf.softmax(x), tf.softmax(odd()), tf.softmax(tf.tensor1d([-Infinity, 0, 1000]))],
  products: () => [
    tf.matMul(wide, random(100, 9)),
    tf.matMul(random(100, 7), random(5, 100), true, true),
    tf.matMul(x, x, false, true),
    tf.matMul(random(2, 3, 50), random(50, 6)),
    tf.matMul(random(1, 3, 50), random(4, 6, 50), false, true),
    tf.matMul(random(2, 1, 3, 4), random(1, 1, 4, 1)),
    tf.matMul(random(1, 100), random(100, 9)),
    tf.matMul(random(1, 1, 2, 3), random(4, 3, 5)),
    tf.matMul(random(4, 2, 3), random(1, 1, 3, 5)),
    tf.matMul(random(3, 2, 50), random(3, 50, 7)),
    tf.matMul(odd(), odd(), false, true),
  ],
  'sums, means and extremes': () => [
    ...[tf.sum, tf.mean, tf.max, tf.min].flatMap(reduce => [
      reduce(x),
      reduce(x, -1),
      reduce(x, [0, 2], true),
      reduce(odd(), 1),
      reduce(wide, 0),
    ]),
    tf.sum(tf.tensor1d([true, true], 'bool')),
    tf.max(whole(3, 4), 0),
    tf.mean(tf.zeros([0, 3]), 0),
  ],
}

it.each(Object.keys(CASES))('gives what tfjs gives, to the bit: %s', name => {
  const given = run(name)
  const wanted = byTfjs(() => run(name))
  expect(read(given)).toEqual(read(wanted))
})

it('stands in the place of every kernel of its table', () => {
  expect(Object.keys(KERNELS).filter(name => !ownOf(name))).toEqual([])
})

it('is right by hand', () => {
  const array = (tensor: tf.Tensor) => tensor.arraySync()
  expect(array(tf.sub(tf.tensor2d([[1], [5]]), tf.tensor1d([1, 2])))).toEqual([[0, -1], [4, 3]]) // prettier-ignore
  expect(array(tf.softmax(tf.tensor1d([2, 2, -Infinity, 2, 2])))).toEqual([0.25, 0.25, 0, 0.25, 0.25])
  expect(array(tf.split(tf.tensor2d([[1, 2, 3, 4], [5, 6, 7, 8]]), 2, 1)[1])).toEqual([[3, 4], [7, 8]]) // prettier-ignore
  expect(array(tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4, 5, 6, 7], [8, 9, 10, 11, 12]])))).toEqual([[19, 22, 25, 28, 31]]) // prettier-ignore
  expect(array(tf.mean(tf.tensor2d([[1, 2], [3, 6]]), 0))).toEqual([2, 4]) // prettier-ignore
})

it('leaves texts, complex numbers and errors to tfjs', () => {
  const texts = tf.tensor2d([['a', 'b', 'c'], ['d', 'e', 'f']]) // prettier-ignore
  expect(tf.slice(texts, [0, 1], [2, 1]).arraySync()).toEqual([['b'], ['e']])
  expect(tf.equal(texts, 'e').arraySync()).toEqual([[0, 0, 0], [0, 1, 0]]) // prettier-ignore
  expect(Array.from(tf.add(tf.complex([1, 2], [3, 4]), tf.complex([1], [1])).dataSync())).toEqual([2, 4, 3, 5])
  expect(() => tf.gather(wide, tf.tensor1d([7], 'int32'))).toThrow('GatherV2: the index value 7 is not in [0, 6]')
  expect(() => tf.slice(wide, [0, 1], [2, 200])).toThrow('begin[1] + size[1]')
})
