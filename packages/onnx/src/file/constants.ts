import { create } from '@bufbuild/protobuf'
import { TensorProto_DataType, TensorProtoSchema, type GraphProto, type NodeProto, type TensorProto } from './schema/onnx-ml_pb.js'

/** Tensors of fewer axes are shapes, bounds and biases. */
const AXES = 2

/** Operators that make a matrix of a list. */
const SHAPES: readonly string[] = ['Reshape', 'Unsqueeze']

/** Operators whose vectors have a number for each channel. */
const PER_CHANNEL: readonly string[] = ['BatchNormalization', 'InstanceNormalization', 'Conv', 'ConvTranspose', 'Gemm']

/** What a Constant node holds, whichever of its attributes it stands in; undefined for texts and for other nodes. */
export const constantOf = ({ opType, domain, attribute }: NodeProto): TensorProto | undefined => {
  if (opType !== 'Constant' || domain !== '') return undefined
  const find = (wanted: string) => attribute.find(({ name }) => name === wanted)
  const floats = find('value_floats')?.floats
  if (floats)
    return create(TensorProtoSchema, { dims: [BigInt(floats.length)], dataType: TensorProto_DataType.FLOAT, floatData: [...floats] })
  const ints = find('value_ints')?.ints
  if (ints) return create(TensorProtoSchema, { dims: [BigInt(ints.length)], dataType: TensorProto_DataType.INT64, int64Data: [...ints] })
  return find('value')?.t
}

/** Makes initializers of the matrices, filters and numbers of channels that Constant nodes hold, as some exporters write all weights; changes the graph. */
export const hoistConstants = (graph: GraphProto): void => {
  const outputs = new Set(graph.output.map(({ name }) => name))
  const shaped = new Set(graph.node.flatMap(({ opType, input }) => (SHAPES.includes(opType) ? [input[0]] : [])))
  const vectors = new Set(graph.node.flatMap(({ opType, input }) => (PER_CHANNEL.includes(opType) ? input.slice(1) : [])))
  graph.node = graph.node.filter(node => {
    const tensor = constantOf(node)
    const [name] = node.output
    if (!tensor || (tensor.dims.length < AXES && !shaped.has(name) && !vectors.has(name)) || outputs.has(name)) return true
    tensor.name = name
    graph.initializer.push(tensor)
    return false
  })
}
