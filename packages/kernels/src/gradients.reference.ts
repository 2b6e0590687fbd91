import * as tf from '@tensorflow/tfjs-core'
import { logSoftmax } from './log-softmax.js'
import { positive, tensor, values } from './values.reference.js'

export type Function = (...inputs: tf.Tensor[]) => tf.Tensor
const ids = () => tf.tensor1d([3, 0, 3, 1], 'int32')

/** Each gradient rule, by name: a function that it stands in, and inputs. */
export const functions: Readonly<Record<string, () => [Function, tf.Tensor[]]>> = {
  add: () => [tf.add, [tensor([3, 4]), tensor([4], 2)]],
  sub: () => [tf.sub, [tensor([3, 1]), tensor([3, 4], 2)]],
  mul: () => [tf.mul, [tensor([2, 3, 4]), tensor([3, 1], 2)]],
  div: () => [tf.div, [tensor([3, 4]), tf.add(positive([4], 2), 0.4)]],
  maximum: () => [tf.maximum, [tensor([3, 4]), tensor([4], 2)]],
  minimum: () => [tf.minimum, [tensor([3, 4]), tensor([4], 2)]],
  squaredDifference: () => [tf.squaredDifference, [tensor([3, 4]), tensor([4], 2)]],
  pow: () => [tf.pow, [positive([3, 4]), tensor([4], 2)]],
  where: () => [(a, b) => tf.where(tf.greater(a, b), tf.square(a), b), [tensor([3, 4]), tensor([3, 4], 2)]],
  addN: () => [(a, b) => tf.addN([a, b, a]), [tensor([3, 4]), tensor([3, 4], 2)]],
  prelu: () => [tf.prelu, [tensor([3, 4]), positive([4], 2)]],
  ...Object.fromEntries(
    (
      [
        'abs',
        'asin',
        'acos',
        'atan',
        'cos',
        'cosh',
        'erf',
        'expm1',
        'log1p',
        'relu',
        'relu6',
        'sin',
        'sinh',
        'softplus',
        'square',
        'tan',
        'elu',
        'exp',
        'sigmoid',
        'tanh',
        'neg',
        'floor',
        'step',
        'sign',
      ] as const
    ).map(name => [name, () => [tf[name] as Function, [tf.mul(tensor([3, 5]), 0.9)]]] as const),
  ),
  ...Object.fromEntries(
    (['log', 'sqrt', 'rsqrt', 'reciprocal'] as const).map(name => [name, () => [tf[name] as Function, [positive([3, 5])]]] as const),
  ),
  leakyRelu: () => [x => tf.leakyRelu(x, 0.3), [tensor([3, 5])]],
  clipByValue: () => [x => tf.clipByValue(x, -0.5, 0.4), [tensor([3, 5])]],
  cumsum: () => [x => tf.cumsum(x, 0), [tensor([3, 5])]],
  softmax: () => [x => tf.softmax(x), [tensor([3, 5])]],
  logSoftmax: () => [logSoftmax, [tensor([3, 5])]],
  logSumExp: () => [x => tf.logSumExp(x, -1), [tensor([3, 5])]],
  sum: () => [x => tf.sum(x, [0, 2]), [tensor([3, 5, 2])]],
  mean: () => [x => tf.mean(x, 1, true), [tensor([3, 5, 2])]],
  max: () => [x => tf.max(x, 1), [tensor([3, 5, 2])]],
  min: () => [x => tf.min(x), [tensor([3, 5, 2])]],
  reshape: () => [x => tf.reshape(x, [10, 3]), [tensor([3, 5, 2])]],
  expandDims: () => [x => tf.expandDims(x, 1), [tensor([3, 5])]],
  transpose: () => [x => tf.transpose(x, [2, 0, 1]), [tensor([3, 5, 2])]],
  concat: () => [(a, b) => tf.concat([a, b], 1), [tensor([3, 2]), tensor([3, 4], 2)]],
  split: () => [x => tf.mul(...(tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor])), [tensor([3, 4])]],
  stack: () => [(a, b) => tf.stack([a, b], 1), [tensor([3, 2]), tensor([3, 2], 2)]],
  unstack: () => [x => tf.mul(...(tf.unstack(x, 1) as [tf.Tensor, tf.Tensor])), [tensor([3, 2])]],
  slice: () => [x => tf.slice(x, [1, 0], [2, 3]), [tensor([4, 5])]],
  pad: () => [x => tf.pad(x, [[1, 2], [0, 1]]), [tensor([4, 5])]], // prettier-ignore
  tile: () => [x => tf.tile(x, [2, 1, 3]), [tensor([4, 5, 2])]],
  reverse: () => [x => tf.reverse(x, 1), [tensor([4, 5])]],
  gather: () => [x => tf.gather(x, ids()), [tensor([5, 3])]],
  'gather along another axis': () => [x => tf.gather(x, ids(), 1), [tensor([2, 5, 3])]],
  'gather in rows': () => [x => tf.gather(x, tf.tensor2d([1, 1, 2, 0], [2, 2], 'int32'), 1, 1), [tensor([2, 3, 4])]],
  'gather in rows along a later axis': () => [x => tf.gather(x, tf.tensor2d([1, 1, 2, 0], [2, 2], 'int32'), 2, 1), [tensor([2, 4, 3])]],
  scatterND: () => [x => tf.scatterND(tf.reshape(ids(), [4, 1]) as tf.Tensor2D, x, [5, 3]), [tensor([4, 3])]],
  'scatterND over two axes': () => [
    x => tf.scatterND(tf.tensor2d([0, 1, 2, 0, 0, 1], [3, 2], 'int32'), x, [3, 2, 4] as never),
    [tensor([3, 4])],
  ],
  'values of topk': () => [x => tf.topk(x, 2).values, [tensor([3, 5])]],
  'values of topk of a vector': () => [x => tf.topk(x, 3).values, [tensor([7])]],
  unsortedSegmentSum: () => [x => tf.unsortedSegmentSum(x, ids(), 5), [tensor([4, 3])]],
  matMul: () => [(a, b) => tf.matMul(a, b), [tensor([3, 4]), tensor([4, 5], 2)]],
  'matMul, left transposed': () => [(a, b) => tf.matMul(a, b, true), [tensor([2, 4, 3]), tensor([2, 4, 5], 2)]],
  'matMul, right transposed': () => [(a, b) => tf.matMul(a, b, false, true), [tensor([3, 4]), tensor([5, 4], 2)]],
  'matMul, both transposed': () => [(a, b) => tf.matMul(a, b, true, true), [tensor([4, 3]), tensor([5, 4], 2)]],
  'matMul with one right matrix': () => [(a, b) => tf.matMul(a, b), [tensor([6, 3, 4]), tensor([1, 4, 5], 2)]],
  'matMul with one right matrix transposed': () => [(a, b) => tf.matMul(a, b, false, true), [tensor([6, 3, 4]), tensor([1, 5, 4], 2)]],
  'matMul with one left matrix': () => [(a, b) => tf.matMul(a, b), [tensor([1, 3, 4]), tensor([6, 4, 5], 2)]],
  conv2d: () => [(x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 2, 'same'), [tensor([2, 6, 6, 2]), tensor([3, 3, 2, 3], 2)]],
  depthwiseConv2d: () => [
    (x, f) => tf.depthwiseConv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'same'),
    [tensor([2, 5, 5, 2]), tensor([3, 3, 2, 2], 2)],
  ],
  conv2dTranspose: () => [
    (x, f) => tf.conv2dTranspose(x as tf.Tensor4D, f as tf.Tensor4D, [2, 6, 6, 2], 2, 'same'),
    [tensor([2, 3, 3, 3]), tensor([3, 3, 2, 3], 2)],
  ],
  maxPool: () => [x => tf.maxPool(x as tf.Tensor4D, 2, 2, 'same'), [tensor([2, 5, 5, 2])]],
  avgPool: () => [x => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'), [tensor([2, 4, 4, 2])]],
  batchNorm: () => [
    (x, mean, variance, offset, scale) =>
      tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D),
    [tensor([4, 3]), tensor([3], 2), positive([3], 3), tensor([3], 4), positive([3], 5)],
  ],
}

/** Whose second gradient nobody has written: differentiating twice says so. */
export const ONCE: ReadonlySet<string> = new Set(['maxPool'])
/** Flat everywhere: their gradient hangs on nothing. */
const FLAT = new Set(['floor', 'step', 'sign'])

/** The rules that can be differentiated again. */
export const twice: readonly string[] = Object.keys(functions).filter(name => !FLAT.has(name) && !ONCE.has(name))

/** vᵀHv of a loss behind a function, by two backward passes, and by central differences of the gradient. */
export const curvatureOf = (name: string, known?: number): Promise<{ readonly exact: number; readonly expected: number }> => {
  const numbers = tf.tidy(() => {
    const [f, inputs] = functions[name]()
    const { shape } = f(...inputs)
    const weights = tf.tensor(values(tf.util.sizeFromShape(shape), 7), shape)
    const loss = (...at: tf.Tensor[]) => tf.sum(tf.mul(tf.sin(f(...at)), weights)) as tf.Scalar
    const directions = inputs.map((input, at) => tf.mul(tensor(input.shape, 11 + at), 0.5))
    const along = (gradients: readonly tf.Tensor[]) =>
      tf.addN(gradients.map((gradient, i) => tf.sum(tf.mul(gradient, directions[i])))) as tf.Scalar
    const slope = (...at: tf.Tensor[]) => along(tf.grads(loss)([...at]))
    const step = 1e-2
    const moved = (by: number) => slope(...inputs.map((input, i) => tf.add(input, tf.mul(directions[i], by))))
    const exact = along(tf.grads(slope)([...inputs]))
    return known === undefined ? [exact, tf.div(tf.sub(moved(step), moved(-step)), 2 * step)] : [exact]
  })
  return Promise.all(numbers.map(async number => (await number.data())[0]))
    .then(([exact, expected = known!]) => ({ exact, expected }))
    .finally(() => tf.dispose(numbers))
}
