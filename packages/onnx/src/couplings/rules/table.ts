import { MICROSOFT } from '../../file/build.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import type { Rule } from '../scope.js'
import { elementwise, unary } from './elementwise.js'
import { convolution, globalPooling, pad, pooling, resize, transposedConvolution } from './images.js'
import { groupQueryAttention, multiHeadAttention, rotaryEmbedding } from './heads.js'
import { layerNorm, rmsNorm, skipLayerNorm, skipRmsNorm } from './norms.js'
import { gather, scatter, slice, split, topK } from './parts.js'
import { gemm, matMul, perChannel } from './products.js'
import { concat, expand, flatten, range, reduce, reshape, softmax, squeeze, transpose, unsqueeze } from './shapes.js'

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
  ...all(elementwise('carries'), 'Where', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal', 'And', 'Or'),
  ...all(unary, 'Not', 'Cos', 'Sin'),
  ...all(unary, 'Abs', 'Neg', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Softplus', 'Softsign', 'ThresholdedRelu', 'Identity', 'Cast', 'Dropout'),
  ...all(reduce, 'ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare', 'ReduceProd'),
  ...all(softmax, 'Softmax', 'LogSoftmax'),
  ...{ Flatten: flatten, Reshape: reshape, Transpose: transpose, Squeeze: squeeze, Unsqueeze: unsqueeze, Concat: concat },
  ...{ Split: split, Slice: slice, Gather: gather, LayerNormalization: layerNorm },
  ...{ RMSNormalization: rmsNorm, SimplifiedLayerNormalization: rmsNorm, RotaryEmbedding: rotaryEmbedding },
  ...{ Expand: expand, Range: range, TopK: topK, ScatterElements: scatter },
  ...{ Pad: pad, Resize: resize, Upsample: resize },
}

/** The same of ONNX Runtime's own. */
export const MICROSOFT_RULES: Readonly<Record<string, Rule>> = {
  ...{ GroupQueryAttention: groupQueryAttention, MultiHeadAttention: multiHeadAttention, RotaryEmbedding: rotaryEmbedding },
  ...{ SkipSimplifiedLayerNormalization: skipRmsNorm, SkipLayerNormalization: skipLayerNorm },
  ...all(elementwise('writes'), 'FastGelu', 'BiasGelu'),
  QuickGelu: unary,
}

const DOMAINS: Readonly<Record<string, Readonly<Record<string, Rule>>>> = { '': RULES, [MICROSOFT]: MICROSOFT_RULES }

export const rulesOf = ({ domain, opType }: NodeProto): Rule | undefined => {
  const rules = Object.hasOwn(DOMAINS, domain) ? DOMAINS[domain] : {}
  return Object.hasOwn(rules, opType) ? rules[opType] : undefined
}
