import * as tf from '@tensorflow/tfjs-core'
import type { GradientTable } from './rules.js'
import { sumTo } from './shapes.js'

const run = (kernel: string, inputs: Record<string, tf.Tensor>, attributes: object) =>
  tf.engine().runKernel(kernel, inputs, attributes as tf.NamedAttrMap) as tf.Tensor

/** y = (x − mean) / √(variance + ε) · scale + offset over the last axis, with mean and variance as given numbers. */
function batchNormGradients(
  dy: tf.Tensor,
  x: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
  scale: tf.Tensor | undefined,
  epsilon: number,
) {
  const inverse = () => tf.rsqrt(tf.add(variance, epsilon))
  const factor = () => (scale === undefined ? inverse() : tf.mul(scale, inverse()))
  const centred = () => tf.sub(x, mean)
  return {
    x: () => tf.mul(dy, factor()),
    mean: () => sumTo(tf.neg(tf.mul(dy, factor())), mean.shape),
    variance: () => sumTo(tf.mul(tf.mul(dy, centred()), tf.mul(tf.mul(factor(), -0.5), tf.square(inverse()))), variance.shape),
    scale: () => sumTo(tf.mul(tf.mul(dy, centred()), inverse()), (scale ?? mean).shape),
    offset: () => sumTo(dy, mean.shape),
  }
}

export const convolutionGradients: GradientTable = {
  Conv2D: {
    inputs: ['x', 'filter'],
    gradient: (dy, [x, filter], attributes) => ({
      x: () => run('Conv2DBackpropInput', { dy, filter }, { ...attributes, inputShape: x.shape }),
      filter: () => run('Conv2DBackpropFilter', { x, dy }, { ...attributes, filterShape: filter.shape }),
    }),
  },
  Conv2DBackpropInput: {
    inputs: ['dy', 'filter'],
    gradient: (ddx, [dy, filter], { strides, pad, dataFormat, dimRoundingMode }) => ({
      dy: () => tf.conv2d(ddx, filter, strides, pad, dataFormat, 1, dimRoundingMode),
      filter: () => run('Conv2DBackpropFilter', { x: ddx, dy }, { strides, pad, dataFormat, dimRoundingMode, filterShape: filter.shape }),
    }),
  },
  Conv2DBackpropFilter: {
    inputs: ['x', 'dy'],
    gradient: (ddf, [x, dy], { filterShape: _shape, ...attributes }) => ({
      x: () => run('Conv2DBackpropInput', { dy, filter: ddf }, { ...attributes, inputShape: x.shape }),
      dy: () => run('Conv2D', { x, filter: ddf }, { ...attributes, dilations: 1 }),
    }),
  },
  DepthwiseConv2dNative: {
    inputs: ['x', 'filter'],
    gradient: (dy, [x, filter], attributes) => ({
      x: () => run('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { ...attributes, inputShape: x.shape }),
      filter: () => run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { ...attributes, filterShape: filter.shape }),
    }),
  },
  DepthwiseConv2dNativeBackpropInput: {
    inputs: ['dy', 'filter'],
    gradient: (ddx, [dy, filter], { inputShape: _shape, ...attributes }) => ({
      dy: () => run('DepthwiseConv2dNative', { x: ddx, filter }, attributes),
      filter: () => run('DepthwiseConv2dNativeBackpropFilter', { x: ddx, dy }, { ...attributes, filterShape: filter.shape }),
    }),
  },
  DepthwiseConv2dNativeBackpropFilter: {
    inputs: ['x', 'dy'],
    gradient: (ddf, [x, dy], { filterShape: _shape, ...attributes }) => ({
      x: () => run('DepthwiseConv2dNativeBackpropInput', { dy, filter: ddf }, { ...attributes, inputShape: x.shape }),
      dy: () => run('DepthwiseConv2dNative', { x, filter: ddf }, attributes),
    }),
  },
  MaxPool: {
    inputs: ['x'],
    outputs: [true],
    gradient: (dy, [x, y], attributes) => ({ x: () => run('MaxPoolGrad', { dy, input: x, output: y }, attributes) }),
  },
  AvgPool: { inputs: ['x'], gradient: (dy, [x], attributes) => ({ x: () => run('AvgPoolGrad', { dy, input: x }, attributes) }) },
  AvgPoolGrad: {
    inputs: ['input'],
    gradient: (ddx, [input], attributes) => ({ dy: () => run('AvgPool', { x: ddx }, attributes), input: () => tf.zerosLike(input) }),
  },
  ResizeBilinear: {
    inputs: ['images'],
    gradient: (dy, [images], attributes) => ({ images: () => run('ResizeBilinearGrad', { images, dy }, attributes) }),
  },
  FusedBatchNorm: {
    inputs: ['x', 'mean', 'variance', 'scale'],
    gradient: (dy, [x, mean, variance, scale], { varianceEpsilon }) => batchNormGradients(dy, x, mean, variance, scale, varianceEpsilon),
  },
}
