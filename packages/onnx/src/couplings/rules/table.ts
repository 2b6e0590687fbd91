import type { Rule } from '../scope.js'
import { elementwise, unary } from './elementwise.js'
import { convolution, globalPooling, pad, pooling, resize, transposedConvolution } from './images.js'
import { gather, layerNorm, slice, split } from './parts.js'
import { gemm, matMul, perChannel } from './products.js'
import { concat, flatten, reduce, reshape, softmax, squeeze, transpose, unsqueeze } from './shapes.js'

const all = (rule: Rule, ...operators: readonly string[]): Readonly<Record<string, Rule>> =>
  Object.fromEntries(operators.map(operator => [operator, rule]))

/** How operators of ONNX's own domain move labels; those that are not here protect what reaches them. */
export const RULES: Readonly<Record<string, Rule>> = {
  ...{ Conv: convolution, ConvTranspose: transposedConvolution, Gemm: gemm, MatMul: matMul },
  ...all(perChannel, 'BatchNormalization', 'InstanceNormalization'),
  ...all(pooling, 'MaxPool', 'AveragePool', 'LpPool'),
  ...all(globalPooling, 'GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'),
  ...all(elementwise('writes'), 'Add', 'Sub', 'Sum'),
  ...all(elementwise('carries'), 'Mul', 'Div', 'PRelu', 'Pow', 'Max', 'Min'),
  ...all(unary, 'Relu', 'LeakyRelu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Tanh', 'Elu', 'Selu', 'Celu', 'Gelu', 'Mish', 'Erf', 'Clip'),
  ...all(unary, 'Abs', 'Neg', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Softplus', 'Softsign', 'ThresholdedRelu', 'Identity', 'Cast', 'Dropout'),
  ...all(reduce, 'ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceProd'),
  ...all(softmax, 'Softmax', 'LogSoftmax'),
  ...{ Flatten: flatten, Reshape: reshape, Transpose: transpose, Squeeze: squeeze, Unsqueeze: unsqueeze, Concat: concat },
  ...{ Split: split, Slice: slice, Gather: gather, LayerNormalization: layerNorm },
  ...{ Pad: pad, Resize: resize, Upsample: resize },
}
