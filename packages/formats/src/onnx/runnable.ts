import { clone, create, toBinary } from '@bufbuild/protobuf'
import { valueInfo } from './model.js'
import type { Onnx } from './open.js'
import {
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type TensorProto,
} from './schema/onnx-ml_pb.js'
import type { OnnxTensor } from './tensors.js'

/** An initializer with its data in the message. */
const whole = async ({ bytes }: Onnx, tensor: OnnxTensor): Promise<TensorProto> => {
  if (!tensor.range) return tensor.proto
  const proto = clone(TensorProtoSchema, tensor.proto)
  proto.dataLocation = TensorProto_DataLocation.DEFAULT
  proto.externalData = []
  proto.rawData = (await bytes(tensor)) as Uint8Array<ArrayBuffer>
  return proto
}

/** The graph as bytes for a runtime: `fed` initializers become inputs, and the values of `taps` outputs. */
export const runnableModel = async (onnx: Onnx, fed: ReadonlySet<string>, taps: readonly string[]): Promise<Uint8Array> => {
  const model = clone(ModelProtoSchema, onnx.model)
  const graph = model.graph!
  const constants = new Set(onnx.tensors.map(({ name }) => name))
  const given = onnx.tensors.filter(({ name }) => fed.has(name))
  graph.initializer = await Promise.all(onnx.tensors.filter(({ name }) => !fed.has(name)).map(tensor => whole(onnx, tensor)))
  graph.input = [
    ...graph.input.filter(({ name }) => !constants.has(name)),
    ...given.map(({ name, dtype, shape }) => valueInfo({ name, dtype: dtype!, shape })),
  ]
  const known = new Set([...graph.output, ...graph.input].map(({ name }) => name))
  graph.output = [...graph.output, ...taps.filter(name => !known.has(name)).map(name => create(ValueInfoProtoSchema, { name }))]
  return toBinary(ModelProtoSchema, model)
}
