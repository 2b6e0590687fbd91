import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { statistics } from '@tersor/backend-ort'
import { casesTried } from '@tersor/testing'
import { distance, outcome, positive, tensor } from './compare.reference.js'

const strange = () => tf.tensor([NaN, Infinity, -Infinity, 0, -0, 1, -1, 1e38, -1e38, 1e-40, ...new Array(90).fill(0.5)], [100])
const ints = (shape: number[], below: number, from = 0) =>
  tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, (_, index) => ((index * 7) % below) + from),
    shape,
    'int32',
  )
const bools = (shape: number[]) =>
  tf.tensor(
    Array.from({ length: tf.util.sizeFromShape(shape) }, (_, index) => index % 3 === 0),
    shape,
    'bool',
  )

const binaryShapes: [number[], number[]][] = [
  [
    [8, 16, 33],
    [16, 1],
  ],
  [[8, 16, 33], [33]],
  [
    [8, 16, 33],
    [8, 1, 33],
  ],
  [[200], [1]],
  [[], [200]],
  [
    [0, 3],
    [1, 3],
  ],
  [
    [70, 1],
    [1, 30],
  ],
]
const binaryOps = {
  add: tf.add,
  sub: tf.sub,
  mul: tf.mul,
  div: tf.div,
  maximum: tf.maximum,
  minimum: tf.minimum,
  squaredDifference: tf.squaredDifference,
  greater: tf.greater,
  greaterEqual: tf.greaterEqual,
  less: tf.less,
  lessEqual: tf.lessEqual,
  equal: tf.equal,
  notEqual: tf.notEqual,
  mod: tf.mod,
} as Record<string, (a: tf.Tensor, b: tf.Tensor) => tf.Tensor>
const unaryOps = {
  neg: tf.neg,
  exp: tf.exp,
  log: tf.log,
  sqrt: tf.sqrt,
  tanh: tf.tanh,
  sigmoid: tf.sigmoid,
  relu: tf.relu,
  erf: tf.erf,
  abs: tf.abs,
  reciprocal: tf.reciprocal,
  softplus: tf.softplus,
  floor: tf.floor,
  ceil: tf.ceil,
  round: tf.round,
  rsqrt: tf.rsqrt,
  square: tf.square,
  step: tf.step,
  sign: tf.sign,
  log1p: tf.log1p,
  expm1: tf.expm1,
  atan: tf.atan,
} as Record<string, (a: tf.Tensor) => tf.Tensor>

/** Queries turned by their positions, or back as their gradient is; `swapped` takes the wrong half once. */
const rotated = (x: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor, how?: 'back' | 'swapped') => {
  const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor]
  const second = tf.mul(how === 'swapped' ? a : b, cosine)
  if (how === 'back') return tf.concat([tf.add(tf.mul(b, sine), tf.mul(a, cosine)), tf.add(second, tf.mul(tf.neg(a), sine))], -1)
  return tf.concat([tf.sub(tf.mul(a, cosine), tf.mul(b, sine)), tf.add(second, tf.mul(a, sine))], -1)
}

/** x / √(mean(x²) + ε) · weight. */
const rmsNorm = (x: tf.Tensor, weight: tf.Tensor, epsilon = 1e-5, axis = -1) =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), axis, true), epsilon))), weight)

/** The gradient of x · σ(x) as tfjs writes it; another number in the place of 1 is none. */
const siluGradient = (x: tf.Tensor, dy: tf.Tensor, one = 1) => {
  const sigmoid = tf.sigmoid(x)
  return tf.add(tf.mul(dy, sigmoid), tf.mul(tf.mul(dy, x), tf.mul(sigmoid, tf.sub(one, sigmoid))))
}

const cases: Record<string, () => tf.Tensor> = {
  'pow of broadcast': () => tf.pow(positive([80, 64], 1), tensor([64], 2)),
  'pow of strange values': () => tf.pow(strange(), tf.scalar(2)),
  sin: () => tf.sin(tf.mul(tensor([4000]), 9)),
  cos: () => tf.cos(tf.mul(tensor([4000]), 9)),
  'step with alpha': () => tf.step(tensor([4000]), 0.25),
  clipByValue: () => tf.clipByValue(tensor([4000]), -0.3, 0.4),
  'clipByValue of strange values': () => tf.clipByValue(strange(), -0.3, 0.4),
  where: () => tf.where(tf.greater(tensor([80, 64], 1), 0), tensor([80, 64], 2), tensor([80, 64], 3)),
  'where with broadcasting': () => tf.where(bools([1, 64]), tensor([80, 64], 2), tf.scalar(-1e9)),
  addN: () => tf.addN([tensor([80, 64], 1), tensor([80, 64], 2), tensor([80, 64], 3)]),
  logicalAnd: () => tf.logicalAnd(bools([10, 30]), bools([30])),
  logicalOr: () => tf.logicalOr(bools([10, 30]), bools([30])),
  logicalNot: () => tf.logicalNot(bools([10, 30])),
  'cast to int32': () => tf.cast(tf.mul(tensor([4000]), 100), 'int32'),
  'cast of strange values to int32': () => tf.cast(strange(), 'int32'),
  'cast int32 to float32': () => tf.cast(ints([400], 50), 'float32'),
  'cast bool to float32': () => tf.cast(bools([400]), 'float32'),
  'cast bool to int32': () => tf.cast(bools([400]), 'int32'),
  'cast to bool': () => tf.cast(strange(), 'bool'),
  zerosLike: () => tf.zerosLike(tensor([2000])),
  onesLike: () => tf.onesLike(tensor([2000])),
  fill: () => tf.fill([50, 50], 2.5),
  'fill int32': () => tf.fill([50, 50], 2, 'int32'),
  range: () => tf.range(3, 90, 2),
  'range of whole numbers': () => tf.add(tf.range(0, 40, 1, 'int32'), ints([3, 40], 7)),
  'range downwards': () => tf.range(5, -20, -0.5),
  'range downwards by the step of a range upwards': () => tf.range(5, -20),
  sum: () => tf.sum(tensor([16, 32, 40]), [0, 2]),
  'sum of everything': () => tf.sum(tensor([16, 32, 40])),
  'sum over many rows': () => tf.sum(tensor([64, 32, 40]), [0, 1]),
  'sum of nothing': () => tf.sum(tf.zeros([0, 4]), 0),
  'sum of int32': () => tf.sum(ints([100, 3], 7), 0),
  'sum over strange values': () => tf.sum(strange()),
  mean: () => tf.mean(tensor([16, 32, 40]), [1], true),
  max: () => tf.max(tensor([16, 32, 40]), [2]),
  'max of strange values': () => tf.max(strange()),
  'max along strange rows': () => tf.max(tf.reshape(strange(), [10, 10]), 1),
  'min of strange values': () => tf.min(strange()),
  'min along strange columns': () => tf.min(tf.reshape(strange(), [10, 10]), 0),
  min: () => tf.min(tensor([16, 32, 40]), [0], true),
  argMax: () => tf.argMax(tensor([16, 32, 40]), 1),
  'argMax of ties': () => tf.argMax(tf.ones([16, 32]), 1),
  argMin: () => tf.argMin(tensor([16, 32, 40]), -1),
  softmax: () => tf.softmax(tf.mul(tensor([16, 32, 40]), 10)),
  'softmax of a masked row': () => tf.softmax(tf.concat([tf.fill([2, 50], -Infinity), tensor([2, 50])], 0)),
  'softmax over another axis': () => tf.softmax(tensor([16, 40]), -1),
  logSoftmax: () => tf.logSoftmax(tf.mul(tensor([16, 32, 40]), 10)),
  'logSoftmax of large values': () => tf.logSoftmax(tf.mul(tensor([16, 32]), 1000)),
  transpose: () => tf.transpose(tensor([8, 16, 9, 11]), [0, 2, 1, 3]),
  'transpose int32': () => tf.transpose(ints([20, 30], 50)),
  slice: () => tf.slice(tensor([8, 16, 9, 11]), [1, 2, 0, 3], [5, 10, 9, 7]),
  'slice of rows': () => tf.slice(tensor([80, 16]), [3, 0], [20, 16]),
  'slice of a vector': () => tf.slice(tensor([800]), [3], [200]),
  'empty slice': () => tf.slice(tensor([80, 16]), [3, 0], [0, 16]),
  pad: () =>
    tf.pad(
      tensor([8, 16, 12]),
      [
        [1, 0],
        [2, 3],
        [0, 1],
      ],
      0.5,
    ),
  concat: () => tf.concat([tensor([8, 16, 12], 1), tensor([8, 5, 12], 2)], 1),
  'concat with nothing': () => tf.concat([tensor([8, 16], 1), tf.zeros([8, 0])], 1),
  'concat int32': () => tf.concat([ints([80, 16], 9), ints([8, 16], 5)], 0),
  split: () => tf.concat(tf.split(tensor([8, 16, 12]), [4, 10, 2], 1).reverse(), 1),
  stack: () => tf.stack([tensor([80, 3], 1), tensor([80, 3], 2)], 1),
  unstack: () => tf.add(...(tf.unstack(tensor([80, 2, 3]), 1) as [tf.Tensor, tf.Tensor])),
  tile: () => tf.tile(tensor([8, 16, 12]), [2, 1, 3]),
  'broadcastTo and more': () => tf.add(tf.broadcastTo(tensor([1, 16, 1]), [8, 16, 12]), tensor([8, 16, 12])),
  gather: () => tf.gather(tensor([100, 32]), ints([2, 40], 100)),
  'gather along the last axis': () => tf.gather(tensor([10, 32]), ints([40], 32), 1),
  'gather in rows': () => tf.gather(tensor([60, 32]), ints([60, 3], 32), 1, 1),
  'gather int32': () => tf.gather(ints([100, 2], 50), ints([40], 100)),
  unsortedSegmentSum: () => tf.unsortedSegmentSum(tensor([500, 32]), ints([500], 13) as tf.Tensor1D, 16),
  'unsortedSegmentSum of ids outside': () => tf.unsortedSegmentSum(tensor([500, 32]), ints([500], 23, -2) as tf.Tensor1D, 16),
  oneHot: () => tf.oneHot(ints([90], 50), 50),
  'oneHot of indices outside': () => tf.oneHot(ints([90], 60, -3), 50, 1, 0, 'float32'),
  'oneHot with other values': () => tf.oneHot(ints([90], 50), 50, 2, -1, 'float32'),
  'rotated halves': () => rotated(tensor([2, 3, 20, 12], 1), tensor([20, 6], 2), tensor([20, 6], 3)),
  'rotated halves, one position': () => rotated(tensor([2, 3, 1, 64], 1), tensor([1, 32], 2), tensor([1, 32], 3)),
  'rotated halves of few sizes': () => rotated(tensor([2, 30, 20, 2], 1), tensor([20, 1], 2), tensor([20, 1], 3)),
  'rotated halves, back': () => rotated(tensor([2, 3, 20, 12], 1), tensor([20, 6], 2), tensor([20, 6], 3), 'back'),
  'root-mean-square norm': () => rmsNorm(tf.mul(tensor([5, 16, 64], 1), 6), tensor([64], 2)),
  'root-mean-square norm of one row': () => rmsNorm(tensor([1, 640], 1), tensor([640], 2), 0.5),
  'root-mean-square norm of large and small rows': () =>
    rmsNorm(tf.mul(tensor([80, 64], 1), tf.pow(10, tf.reshape(tf.range(-9, 7, 0.2), [80, 1]))), tensor([64], 2)),
  'norm over another axis': () => rmsNorm(tensor([64, 64], 1), tensor([64], 2), 1e-5, 0),
  'gradient of x · σ(x)': () => siluGradient(tf.mul(tensor([80, 64], 1), 6), tensor([80, 64], 2)),
  'gradient of x · σ(x), in one row': () => siluGradient(tf.mul(tensor([1, 640], 1), 6), tensor([1, 640], 2)),
  'almost the gradient of x · σ(x)': () => siluGradient(tf.mul(tensor([80, 64], 1), 6), tensor([80, 64], 2), 2),
  'halves almost rotated': () => rotated(tensor([2, 3, 20, 12], 1), tensor([20, 6], 2), tensor([20, 6], 3), 'swapped'),
  matMul: () => tf.matMul(tensor([33, 64], 1) as tf.Tensor2D, tensor([64, 47], 2)),
  'matMul of batches': () => tf.matMul(tensor([3, 4, 33, 64], 1), tensor([3, 4, 64, 47], 2)),
  'matMul, left transposed': () => tf.matMul(tensor([12, 64, 33], 1), tensor([12, 64, 47], 2), true, false),
  'matMul, right transposed': () => tf.matMul(tensor([12, 33, 64], 1), tensor([12, 47, 64], 2), false, true),
  'matMul, both transposed': () => tf.matMul(tensor([64, 33], 1) as tf.Tensor2D, tensor([47, 64], 2), true, true),
  'matMul with a broadcast batch': () => tf.matMul(tensor([6, 33, 64], 1), tensor([1, 64, 47], 2)),
  'matMul with a left broadcast batch': () => tf.matMul(tensor([1, 33, 64], 1), tensor([6, 64, 47], 2)),
  'matMul with a right broadcast transposed batch': () => tf.matMul(tensor([6, 33, 64], 1), tensor([1, 47, 64], 2), false, true),
  'matMul of nothing': () => tf.matMul(tf.zeros([0, 64]), tensor([64, 47], 2)),
  'matMul over nothing': () => tf.matMul(tf.zeros([5, 0]), tf.zeros([0, 7])),
  'fused matMul': () => tf.fused.matMul({ a: tensor([33, 64], 1), b: tensor([64, 47], 2), bias: tensor([47], 3), activation: 'relu' }),
  'picked log-probabilities': () => tf.sum(tf.mul(tf.logSoftmax(tensor([90, 50])), tf.cast(tf.oneHot(ints([90], 50), 50), 'float32')), -1),
  'picked log-probabilities with an ignored label': () =>
    tf.sum(tf.mul(tf.logSoftmax(tensor([90, 50])), tf.oneHot(ints([90], 55, -2), 50, 1, 0, 'float32')), -1),
}
Object.assign(cases, {
  leakyRelu: () => tf.leakyRelu(tensor([4000]), 0.3),
  'leakyRelu of strange values': () => tf.leakyRelu(strange(), 0.3),
  prelu: () => tf.prelu(tensor([40, 30]), positive([30], 2)),
  relu6: () => tf.relu6(tf.mul(tensor([4000]), 9)),
  'relu6 of strange values': () => tf.relu6(strange()),
  elu: () => tf.elu(tensor([4000])),
  isNaN: () => tf.isNaN(strange()),
  isInf: () => tf.isInf(strange()),
  isFinite: () => tf.isFinite(strange()),
  any: () => tf.any(bools([80, 3, 5]), [1, 2]),
  'any of a matrix of few': () => tf.any(tf.greater(tensor([300, 2]), 0.9), 1, true),
  all: () => tf.all(tf.less(tensor([300, 2]), 0.5), 1),
  'log1p of small numbers': () => tf.mul(tf.log1p(tf.mul(tensor([4000]), 1e-4)), 1e4),
  'expm1 of small numbers': () => tf.mul(tf.expm1(tf.mul(tensor([4000]), 1e-4)), 1e4),
  'mod of numbers of both signs': () => tf.mod(tf.mul(tensor([4000]), 9), tensor([4000], 2)),
  'values of topk': () => tf.topk(tensor([80, 40]), 3).values,
  'indices of topk': () => tf.topk(tensor([80, 40]), 3).indices,
  'indices of topk of equal ones': () => tf.topk(tf.cast(bools([80, 40]), 'float32'), 20).indices,
  'topk of a vector': () => tf.topk(tensor([400]), 7).values,
  'sums of whole numbers': () => tf.add(ints([80, 40], 50), ints([40], 7)),
  'products of whole numbers': () => tf.mul(tf.sub(ints([80, 40], 50), ints([80, 1], 7)), ints([80, 40], 90)),
  'bounds of whole numbers': () => tf.minimum(tf.maximum(ints([80, 40], 50), tf.scalar(9, 'int32')), tf.scalar(30, 'int32')),
  'comparison of whole numbers': () => tf.logicalAnd(tf.greaterEqual(ints([80, 40], 50), ints([40], 7)), tf.less(ints([80, 40], 9), 5)),
  cumsum: () => tf.cumsum(tensor([8, 16, 12]), 1),
  'cumsum, exclusive and reversed': () => tf.cumsum(tensor([8, 16, 12]), 0, true, true),
  reverse: () => tf.reverse(tensor([8, 16, 12]), [0, 2]),
  expandDims: () => tf.expandDims(tf.add(tensor([8, 16]), 1), -1),
  scatterND: () => tf.scatterND(ints([500, 1], 13) as tf.Tensor2D, tensor([500, 32]), [16, 32]),
  'scatterND over two axes': () => tf.scatterND(ints([50, 2], 13) as tf.Tensor2D, tensor([50, 32]), [16, 16, 32] as never),
  'scatterND of scalars': () => tf.scatterND(ints([500, 1], 13) as tf.Tensor2D, tensor([500]), [16] as never),
  batchNorm: () =>
    tf.batchNorm(
      tensor([4, 6, 6, 8]),
      tensor([8], 2) as tf.Tensor1D,
      positive([8], 3) as tf.Tensor1D,
      tensor([8], 4) as tf.Tensor1D,
      positive([8], 5) as tf.Tensor1D,
    ),
  'batchNorm without scale and offset': () => tf.batchNorm(tensor([40, 8]), tensor([8], 2) as tf.Tensor1D, positive([8], 3) as tf.Tensor1D),
})
const image = (side: number, channels: number, seed = 1) => tensor([2, side, side, channels], seed) as tf.Tensor4D
const convolutions: [stride: number, pad: 'same' | 'valid' | number, kernel: number, dilation: number, side: number][] = [
  [1, 'same', 3, 1, 8],
  [2, 'same', 3, 1, 8],
  [2, 'same', 3, 1, 7],
  [1, 'valid', 5, 1, 9],
  [2, 'valid', 3, 1, 8],
  [2, 'valid', 3, 1, 9],
  [1, 'same', 1, 1, 8],
  [2, 'same', 1, 1, 8],
  [1, 'same', 3, 2, 8],
  [3, 2, 5, 1, 11],
  [3, 0, 1, 1, 8],
]
for (const [stride, pad, kernel, dilation, side] of convolutions) {
  const name = `${kernel}×${kernel} over ${side}, stride ${stride}, ${pad}, dilation ${dilation}`
  const filter = (inputs: number, outputs: number) => tensor([kernel, kernel, inputs, outputs], 2) as tf.Tensor4D
  const info = () => tf.backend_util.computeConv2DInfo([2, side, side, 8], [kernel, kernel, 8, 12], stride, dilation, pad)
  const run = (op: string, inputs: Record<string, tf.Tensor>, attributes: object) =>
    tf
      .engine()
      .runKernel(op, inputs, { strides: stride, pad, dataFormat: 'NHWC', dimRoundingMode: undefined, ...attributes } as never) as tf.Tensor
  cases[`conv2d ${name}`] = () => tf.conv2d(image(side, 8), filter(8, 12), stride, pad, 'NHWC', dilation)
  cases[`depthwiseConv2d ${name}`] = () => tf.depthwiseConv2d(image(side, 8), filter(8, 2), stride, pad, 'NHWC', dilation)
  if (dilation !== 1) continue
  cases[`conv2d gradient of the input ${name}`] = () =>
    run('Conv2DBackpropInput', { dy: tensor(info().outShape), filter: filter(8, 12) }, { inputShape: [2, side, side, 8] })
  cases[`conv2d gradient of the filter ${name}`] = () =>
    run('Conv2DBackpropFilter', { x: image(side, 8), dy: tensor(info().outShape) }, { filterShape: [kernel, kernel, 8, 12] })
  if (pad === 2) continue
  cases[`maxPool ${name}`] = () => tf.maxPool(image(side, 8), kernel, stride, pad)
  cases[`avgPool ${name}`] = () => tf.avgPool(image(side, 8), kernel, stride, pad)
}
for (const activation of ['linear', 'relu', 'relu6', 'sigmoid', 'elu'] as const) {
  const how = { strides: 1, pad: 'same', activation } as const
  const wide = () => tf.mul(image(8, 8), 4) as tf.Tensor4D // past 6
  cases[`fused conv2d and ${activation}`] = () =>
    tf.fused.conv2d({ ...how, x: wide(), filter: tensor([3, 3, 8, 12], 2) as tf.Tensor4D, bias: tensor([12], 3) })
  cases[`fused depthwiseConv2d and ${activation}`] = () =>
    tf.fused.depthwiseConv2d({ ...how, x: wide(), filter: tensor([3, 3, 8, 1], 2) as tf.Tensor4D, bias: tensor([8], 3) })
  cases[`fused matMul and ${activation}`] = () =>
    tf.fused.matMul({
      a: tf.mul(tensor([40, 24]), 4) as tf.Tensor2D,
      b: tensor([24, 12], 2) as tf.Tensor2D,
      bias: tensor([12], 3),
      activation,
    })
}
cases['conv2d rounding up'] = () => tf.conv2d(image(8, 8), tensor([3, 3, 8, 12], 2) as tf.Tensor4D, 2, 1, 'NHWC', 1, 'ceil')
cases['maxPool rounding up'] = () => tf.maxPool(image(8, 8), 3, 2, 1, 'ceil')
for (const [name, op] of Object.entries(binaryOps)) {
  cases[`${name} of strange values`] = () => op(tf.reshape(strange(), [100, 1]), tf.reshape(strange(), [1, 100]))
}
// of the seven shapes each fifth, so that every operation takes some and every shape comes up
const pairs = Object.entries(binaryOps).flatMap(([name, op]) => binaryShapes.map(shapes => ({ name, op, shapes })))
for (const {
  name,
  op,
  shapes: [left, right],
} of casesTried(pairs, 5))
  // prettier-ignore
  cases[`${name} of [${left}] and [${right}]`] = () => op(tensor(left, 1), positive(right, 2))
for (const [name, op] of Object.entries(unaryOps)) {
  cases[name] = () => op(tf.mul(tensor([4000]), 3))
  cases[`${name} of strange values`] = () => op(strange())
}

describe('each kernel agrees with tfjs-cpu', () => {
  for (const [name, compute] of Object.entries(cases))
    it(name, async () => {
      const expected = await outcome('cpu', compute)
      const got = await outcome('ort', compute, 3)
      expect({ shape: got.shape, dtype: got.dtype }).toEqual({ shape: expected.shape, dtype: expected.dtype })
      const away = distance(expected.data, got.data)
      if (away > 1e-5) expect(Array.from(got.data).slice(0, 110)).toEqual(Array.from(expected.data).slice(0, 110))
      expect(away).toBeLessThanOrEqual(1e-5)
    })

  it('and leaves only the known cases to tfjs-cpu', () => {
    expect(tf.getBackend()).toBe('ort')
    expect([...statistics().fallbacks.keys()].sort()).toEqual([
      'AvgPool',
      'BatchMatMul',
      'Cast',
      'Concat',
      'Conv2D',
      'Fill',
      'MaxPool',
      'OneHot',
      'ScatterNd',
      'Slice',
      'Sum',
    ])
  })
})
