import { create } from '@bufbuild/protobuf'
import { createRng } from '@tersor/core'
import { dense, encodeF16 } from '@tersor/tensor'
import { writeFileSync } from 'node:fs'
import { encodeModel, graphBuilder, modelOf, tensorHeader } from '../file.js'
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  type NodeProto,
  type TensorProto,
} from './schema/onnx-ml_pb.js'

/** Values in −1 … 1. */
export const values = (count: number, seed: number): Float32Array => {
  const rng = createRng(seed)
  return Float32Array.from({ length: count }, () => Math.fround(2 * rng.uniform() - 1))
}

export const initializer = (
  name: string,
  shape: readonly number[],
  numbers: ArrayLike<number>,
  dtype: 'f32' | 'f16' = 'f32',
): TensorProto => {
  const array = dtype === 'f32' ? Float32Array.from(numbers) : Uint16Array.from(numbers, encodeF16)
  const proto = tensorHeader(name, dense(dtype, shape, new Uint8Array(array.buffer)))
  proto.rawData = new Uint8Array(array.buffer)
  return proto
}

/** x (rows, 96) → Gemm(relu(x · up) + shift, down, bias): (rows, 24). */
export const writeMlp = (path: string, dtype: 'f32' | 'f16' = 'f32', opset = 21): void => {
  const graph = graphBuilder('node_')
  const up = graph.op('MatMul', ['x', 'up'])
  const active = graph.op('Relu', [graph.op('Add', [up, 'shift'])])
  graph.rename(graph.op('Gemm', [active, 'down', 'bias'], { attributes: { transB: 1 } }), 'y')
  const model = modelOf({
    name: 'mlp',
    graph,
    inputs: [{ name: 'x', dtype, shape: ['rows', 96] }],
    outputs: [{ name: 'y', dtype, shape: ['rows', 24] }],
    initializers: [
      initializer('up', [96, 64], values(96 * 64, 1), dtype),
      initializer('shift', [64], values(64, 2), dtype),
      initializer('down', [24, 64], values(24 * 64, 3), dtype),
      initializer('bias', [24], values(24, 4), dtype),
    ],
  })
  model.opsetImport[0].version = BigInt(opset)
  writeFileSync(path, encodeModel(model))
}

/** x (1, 4) · far, whose data begins past 2 GiB of a file beside the model. */
export const writeFar = (path: string, offset: number): void => {
  const graph = graphBuilder('node_')
  graph.rename(graph.op('MatMul', ['x', 'far']), 'y')
  const far = tensorHeader('far', { dtype: 'f32', shape: [4, 2] })
  far.dataLocation = TensorProto_DataLocation.EXTERNAL
  const entries = { location: 'far.bin', offset: String(offset), length: '32' }
  far.externalData = Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }))
  const model = modelOf({
    name: 'far',
    graph,
    inputs: [{ name: 'x', dtype: 'f32', shape: [1, 4] }],
    outputs: [{ name: 'y', dtype: 'f32', shape: [1, 2] }],
    initializers: [far],
  })
  writeFileSync(path, encodeModel(model))
}

/** x (batch, 3, 8, 8) → a convolution of stride 2 and a linear layer: (batch, 5). */
export const writeConvolution = (path: string): void => {
  const graph = graphBuilder('node_')
  const filtered = graph.op('Conv', ['x', 'filters', 'shift'], {
    attributes: { pads: [1, 1, 1, 1], strides: [2, 2], kernel_shape: [3, 3] },
  })
  const flat = graph.op('Flatten', [graph.op('Relu', [filtered])])
  graph.rename(graph.op('MatMul', [flat, 'head']), 'y')
  const model = modelOf({
    name: 'convolution',
    graph,
    inputs: [{ name: 'x', dtype: 'f32', shape: ['batch', 3, 8, 8] }],
    outputs: [{ name: 'y', dtype: 'f32', shape: ['batch', 5] }],
    initializers: [
      initializer('filters', [8, 3, 3, 3], values(216, 5)),
      initializer('shift', [8], values(8, 6)),
      initializer('head', [128, 5], values(640, 7)),
    ],
  })
  writeFileSync(path, encodeModel(model))
}

const constantNode = (t: TensorProto): NodeProto => {
  const attribute = [create(AttributeProtoSchema, { name: 'value', type: AttributeProto_AttributeType.TENSOR, t })]
  return create(NodeProtoSchema, { name: `make_${t.name}`, opType: 'Constant', output: [t.name], attribute })
}

/** x (rows, 96) · up + shift, all of them in Constant nodes, and one more that is an output. */
export const writeConstants = (path: string): void => {
  const graph = graphBuilder('node_')
  graph.rename(graph.op('Add', [graph.op('MatMul', ['x', 'up']), 'shift']), 'y')
  const model = modelOf({
    name: 'constants',
    graph,
    inputs: [{ name: 'x', dtype: 'f32', shape: ['rows', 96] }],
    outputs: [
      { name: 'y', dtype: 'f32', shape: ['rows', 64] },
      { name: 'shown', dtype: 'f32', shape: [2, 2] },
    ],
  })
  const tensors = [
    initializer('up', [96, 64], values(96 * 64, 1)),
    initializer('shift', [64], values(64, 2)),
    initializer('shown', [2, 2], values(4, 3)),
  ]
  model.graph!.node = [...tensors.map(constantNode), ...model.graph!.node]
  writeFileSync(path, encodeModel(model))
}
