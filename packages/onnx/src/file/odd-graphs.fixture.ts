import { create } from '@bufbuild/protobuf'
import { dense, type DType } from '@tersor/tensor'
import { graphBuilder, type AttributeValue, type GraphBuilder } from './build.js'
import { encodeModel, modelOf, type ValueInfo } from './model.js'
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type AttributeProto,
  type GraphProto,
  type TensorProto,
} from './schema/onnx-ml_pb.js'
import { tensorHeader } from './build.js'
import { initializer, values } from './toy-graph.fixture.js'

/** A graph that meets its weights in an unusual way. */
export interface OddGraph {
  /** Weights of its sites, in order. */
  readonly weights: readonly string[]
  readonly bytes: () => Uint8Array
  readonly inputs: Readonly<Record<string, readonly number[]>>
}

interface Parts {
  readonly build: (graph: GraphBuilder) => void
  readonly initializers: readonly TensorProto[]
  readonly weights: readonly string[]
  readonly inputs?: Readonly<Record<string, readonly number[]>>
  readonly output?: readonly (number | string)[]
  readonly outputs?: readonly ValueInfo[]
  readonly opset?: number
  readonly domain?: string
}

const X = { x: [3, 64] }

const odd = ({ build, initializers, weights, inputs = X, outputs, opset = 17, domain }: Parts): OddGraph => ({
  weights,
  inputs,
  bytes: () => {
    const graph = graphBuilder('node_')
    build(graph)
    const model = modelOf({
      ...{ name: 'odd', graph, initializers },
      inputs: Object.entries(inputs).map(([name, shape]) => ({ name, dtype: 'f32', shape })),
      outputs: outputs ?? [{ name: 'y', dtype: 'f32', shape: [] }],
    })
    // of outputs the runtime finds the shapes itself
    for (const { type, name } of model.graph!.output) if (type?.value.case === 'tensorType' && name === 'y') delete (type.value.value as { shape?: unknown }).shape // prettier-ignore
    model.opsetImport[0].version = BigInt(opset)
    if (domain !== undefined) {
      model.opsetImport[0].domain = domain
      for (const node of model.graph!.node) if (node.domain === '') node.domain = domain
    }
    return encodeModel(model)
  },
})

type Attributes = Readonly<Record<string, AttributeValue>>
const y = (graph: GraphBuilder, type: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): void =>
  graph.rename(graph.op(type, inputs, { attributes, domain }), 'y')

const matrix = (name: string, rows: number, columns: number, seed = 1): TensorProto =>
  initializer(
    name,
    [rows, columns],
    values(rows * columns, seed).map(value => value * 0.3),
  )

const tensor = (name: string, shape: readonly number[], seed = 2): TensorProto =>
  initializer(name, shape, values(shape.reduce((a, b) => a * b), seed).map(value => value * 0.3)) // prettier-ignore

const plain = (name: string, dtype: DType, shape: readonly number[], array: ArrayBufferView): TensorProto => {
  const proto = tensorHeader(name, dense(dtype, shape, new Uint8Array(array.buffer as ArrayBuffer)))
  proto.rawData = new Uint8Array(array.buffer as ArrayBuffer)
  return proto
}

const graphAttribute = (name: string, g: GraphProto): AttributeProto =>
  create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g })

/** x · w, with a weight that is called alike in either branch. */
const branch = (seed: number): GraphProto => {
  const inner = graphBuilder(`branch${seed}_`)
  inner.rename(inner.op('MatMul', ['x', 'w']), `result${seed}`)
  const model = modelOf({
    ...{ name: `branch${seed}`, graph: inner, initializers: [matrix('w', 64, 32, seed)], inputs: [] },
    outputs: [{ name: `result${seed}`, dtype: 'f32', shape: [3, 32] }],
  })
  return model.graph!
}

const W = [matrix('w', 64, 64)]

/** By what is unusual about each. */
export const ODD_GRAPHS: Readonly<Record<string, OddGraph>> = {
  'one weight, as it is and transposed': odd({
    weights: ['w'],
    initializers: W,
    build: graph => y(graph, 'MatMul', [graph.op('Gemm', [graph.op('MatMul', ['x', 'w']), 'w'], { attributes: { transB: 1 } }), 'w']),
  }),
  'one weight, transposed and as it is': odd({
    weights: ['w'],
    initializers: W,
    build: graph => y(graph, 'MatMul', [graph.op('Gemm', ['x', 'w'], { attributes: { transB: 1 } }), 'w']),
  }),
  'one weight, of rows and of columns': odd({
    weights: ['w'],
    inputs: { x: [64, 64] },
    initializers: W,
    build: graph => y(graph, 'Gemm', [graph.op('MatMul', ['x', 'w']), 'w'], { transA: 1 }),
  }),
  'a table that is the head too, from its other side': odd({
    weights: ['w'],
    initializers: [matrix('w', 64, 64), plain('ids', 'i64', [3], BigInt64Array.of(5n, 1n, 63n))],
    build: graph => y(graph, 'MatMul', [graph.op('Add', ['x', graph.op('Gather', ['w', 'ids'])]), graph.op('Transpose', ['w'], { attributes: { perm: [1, 0] } })]), // prettier-ignore
  }),
  'a weight that is clipped elsewhere': odd({
    weights: ['w'],
    initializers: W,
    build: graph => y(graph, 'Add', [graph.op('MatMul', ['x', 'w']), graph.op('ReduceSum', [graph.op('Relu', ['w'])])]),
  }),
  'a weight that is an output': odd({
    weights: ['w'],
    initializers: W,
    outputs: [
      { name: 'y', dtype: 'f32', shape: [] },
      { name: 'w', dtype: 'f32', shape: [64, 64] },
    ],
    build: graph => y(graph, 'MatMul', ['x', 'w']),
  }),
  'the other spelling of the domain': odd({
    weights: ['w', 'v'],
    initializers: [...W, matrix('v', 32, 64)],
    domain: 'ai.onnx',
    build: graph => y(graph, 'Gemm', [graph.op('MatMul', ['x', 'w']), 'v'], { transB: 1 }),
  }),
  'a weight behind two identities': odd({
    weights: ['w'],
    initializers: W,
    build: graph => y(graph, 'MatMul', ['x', graph.op('Identity', [graph.op('Identity', ['w'])])]),
  }),
  'a transposed weight': odd({
    weights: ['w'],
    initializers: [matrix('w', 32, 64)],
    build: graph => y(graph, 'MatMul', ['x', graph.op('Transpose', ['w'])]),
  }),
  'a weight in another shape': odd({
    weights: ['w'],
    initializers: [tensor('w', [64 * 32])],
    build: graph => y(graph, 'MatMul', ['x', graph.op('Reshape', ['w', graph.int64([64, -1])])]),
  }),
  'a list of a Constant node in another shape': odd({
    weights: ['node_Constant_0'],
    initializers: [],
    build: graph => {
      const list = graph.op('Constant', [])
      graph.nodes[0].attribute.push(
        create(AttributeProtoSchema, { name: 'value_floats', type: AttributeProto_AttributeType.FLOATS, floats: [...values(64 * 32, 3)] }),
      )
      const shape = graph.op('Constant', [])
      graph.nodes[1].attribute.push(
        create(AttributeProtoSchema, { name: 'value_ints', type: AttributeProto_AttributeType.INTS, ints: [64n, 32n] }),
      )
      y(graph, 'MatMul', ['x', graph.op('Reshape', [list, shape])])
    },
  }),
  'a weight of doubles': odd({
    weights: ['w'],
    initializers: [
      plain(
        'w',
        'f64',
        [64, 32],
        Float64Array.from(values(64 * 32, 3), value => value / 3),
      ),
    ],
    build: graph => y(graph, 'MatMul', ['x', graph.cast('w', 'f32')]),
  }),
  'filters that are turned and reshaped': odd({
    weights: ['w'],
    inputs: { x: [1, 4, 9, 9] },
    initializers: [tensor('w', [36, 8])],
    build: graph => y(graph, 'Conv', ['x', graph.op('Reshape', [graph.op('Transpose', ['w']), graph.int64([8, 4, 3, 3])])]),
  }),
  'a weight that comes first': odd({
    weights: ['w'],
    inputs: { x: [64, 5] },
    initializers: [matrix('w', 32, 64)],
    build: graph => y(graph, 'MatMul', ['w', 'x']),
  }),
  'a sum of products': odd({
    weights: ['w', 'v'],
    initializers: [matrix('w', 64, 32), matrix('v', 16, 32, 5)],
    build: graph =>
      y(graph, 'Einsum', [graph.op('Einsum', ['x', 'w'], { attributes: { equation: 'bi, io -> bo' } }), 'v'], {
        equation: '...i,oi->...o',
      }),
  }),
  'fused products': odd({
    weights: ['w', 'v', 'u'],
    initializers: [matrix('w', 32, 64), matrix('v', 32, 32, 5), tensor('b', [32]), matrix('u', 32, 16, 6)],
    build: graph => {
      const first = graph.op('FusedMatMul', ['x', 'w'], { attributes: { transB: 1 }, domain: 'com.microsoft' })
      const second = graph.op('FusedGemm', [first, 'v', 'b'], { attributes: { activation: 'Relu' }, domain: 'com.microsoft' })
      y(graph, 'FusedMatMul', [second, 'u'], { alpha: { float: 0.5 } }, 'com.microsoft')
    },
  }),
  'filters of groups, of channels and with holes': odd({
    weights: ['groups', 'channels', 'holes'],
    inputs: { x: [1, 8, 10, 10] },
    initializers: [tensor('groups', [16, 4, 3, 3]), tensor('channels', [16, 1, 3, 3], 3), tensor('holes', [8, 16, 3, 3], 4)],
    build: graph => {
      const groups = graph.op('Conv', ['x', 'groups'], { attributes: { group: 2, pads: [1, 1, 1, 1] } })
      const channels = graph.op('Conv', [groups, 'channels'], { attributes: { group: 16 } })
      y(graph, 'Conv', [channels, 'holes'], { dilations: [2, 2] })
    },
  }),
  'filters of lines, and transposed ones': odd({
    weights: ['line', 'grown'],
    inputs: { x: [2, 6, 20] },
    initializers: [tensor('line', [8, 6, 5]), tensor('grown', [8, 4, 3], 3)],
    build: graph => y(graph, 'ConvTranspose', [graph.op('Conv', ['x', 'line']), 'grown'], { strides: [2] }),
  }),
  recurrences: odd({
    weights: ['w', 'r', 'g', 's'],
    inputs: { x: [5, 2, 12] },
    initializers: [tensor('w', [1, 64, 12]), tensor('r', [1, 64, 16], 3), tensor('g', [2, 24, 16], 4), tensor('s', [2, 24, 8], 5)],
    build: graph => {
      const long = graph.op('LSTM', ['x', 'w', 'r'], { attributes: { hidden_size: 16 } })
      const [all] = graph.ops('GRU', [graph.op('Squeeze', [long, graph.int64([1])]), 'g', 's'], { attributes: { hidden_size: 8, direction: 'bidirectional' }, outputs: 1 }) // prettier-ignore
      graph.rename(all, 'y')
    },
  }),
  'matrices in a stack': odd({
    weights: ['w'],
    inputs: { x: [4, 3, 16] },
    initializers: [tensor('w', [4, 16, 24])],
    build: graph => y(graph, 'MatMul', ['x', 'w']),
  }),
  'weights in either branch of a condition': odd({
    weights: ['w_1', 'w_2'],
    initializers: [plain('zero', 'f32', [], Float32Array.of(0))],
    build: graph => {
      const condition = graph.op('Greater', [graph.op('ReduceSum', ['x'], { attributes: { keepdims: 0 } }), 'zero'])
      graph.op('If', [condition])
      const node = graph.nodes[graph.nodes.length - 1]
      node.attribute.push(graphAttribute('then_branch', branch(1)), graphAttribute('else_branch', branch(2)))
      node.output[0] = 'y'
    },
  }),
}
