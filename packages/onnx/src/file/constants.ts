import { create } from '@bufbuild/protobuf'
import { TensorProto_DataType, TensorProtoSchema, type GraphProto, type NodeProto, type TensorProto } from './schema/onnx-ml_pb.js'

/** Tensors of fewer axes are shapes and bounds, or numbers of units. */
const AXES = 2

/** Operators that make a matrix of a list. */
const SHAPES: readonly string[] = ['Reshape', 'Unsqueeze']

/** Operators whose vectors of floats have a number for each channel or neuron. */
const PER_UNIT: readonly string[] = [
  ...['BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'Conv', 'ConvTranspose', 'Gemm'],
  ...['Add', 'Sub', 'Mul', 'Div', 'PRelu'],
]

const isVector = ({ dims, dataType }: TensorProto): boolean =>
  dims.length === 1 && dims[0] > 1n && (dataType === TensorProto_DataType.FLOAT || dataType === TensorProto_DataType.FLOAT16)

/** What a Constant node holds, whichever of its attributes it stands in; undefined for texts and for other nodes. */
export const constantOf = ({ opType, domain, attribute }: NodeProto): TensorProto | undefined => {
  if (opType !== 'Constant' || domain !== '') return undefined
  const find = (wanted: string) => attribute.find(({ name }) => name === wanted)
  const floats = find('value_floats')?.floats
  if (floats)
    return create(TensorProtoSchema, { dims: [BigInt(floats.length)], dataType: TensorProto_DataType.FLOAT, floatData: [...floats] })
  const ints = find('value_ints')?.ints
  if (ints) return create(TensorProtoSchema, { dims: [BigInt(ints.length)], dataType: TensorProto_DataType.INT64, int64Data: [...ints] })
  const one = find('value_float')
  if (one) return create(TensorProtoSchema, { dims: [], dataType: TensorProto_DataType.FLOAT, floatData: [one.f] })
  const whole = find('value_int')
  if (whole) return create(TensorProtoSchema, { dims: [], dataType: TensorProto_DataType.INT64, int64Data: [whole.i] })
  return find('value')?.t
}

/** Makes initializers of the matrices, filters, biases and factors that Constant nodes hold, as some exporters write all weights; changes the graph. */
export const hoistConstants = (graph: GraphProto): void => {
  const outputs = new Set(graph.output.map(({ name }) => name))
  const shaped = new Set(graph.node.flatMap(({ opType, input }) => (SHAPES.includes(opType) ? [input[0]] : [])))
  const taken = new Set(graph.node.flatMap(({ opType, input }) => (PER_UNIT.includes(opType) ? input : [])))
  graph.node = graph.node.filter(node => {
    const tensor = constantOf(node)
    const [name] = node.output
    if (!tensor || (tensor.dims.length < AXES && !shaped.has(name) && !(isVector(tensor) && taken.has(name))) || outputs.has(name))
      return true
    tensor.name = name
    graph.initializer.push(tensor)
    return false
  })
}
