import type { GraphProto } from './schema/onnx-ml_pb.js'
import type { OnnxTensor } from './tensors.js'

/** Operators that take a weight as they take any value: others may want a constant. */
const TAKES_ANY: ReadonlySet<string> = new Set([
  ...['MatMul', 'Gemm', 'Conv', 'ConvTranspose', 'Add', 'Sub', 'Mul', 'Div', 'Gather', 'PRelu'],
  ...['Transpose', 'SimplifiedLayerNormalization', 'RMSNormalization', 'SkipSimplifiedLayerNormalization', 'SkipLayerNormalization'],
  ...['MultiHeadAttention', 'FastGelu', 'BiasGelu'],
  ...['BatchNormalization', 'LayerNormalization', 'InstanceNormalization', 'GroupNormalization'],
])

/** Float initializers of some axes that no node wants as a constant. */
export const takenAsAny = ({ node }: GraphProto, tensors: readonly OnnxTensor[]): readonly OnnxTensor[] => {
  const constants = new Set(node.filter(({ opType }) => !TAKES_ANY.has(opType)).flatMap(({ input }) => input))
  const asked = new Set(node.flatMap(({ input }) => input))
  return tensors.filter(
    ({ name, dtype, shape }) => (dtype === 'f32' || dtype === 'f16') && shape.length > 0 && asked.has(name) && !constants.has(name),
  )
}
