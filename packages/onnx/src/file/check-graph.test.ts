import { create } from '@bufbuild/protobuf'
import { encodeModel, graphBuilder, modelOf, openOnnx, type GraphBuilder, type ModelProto } from '../file.js'
import { AttributeProto_AttributeType, AttributeProtoSchema, GraphProtoSchema, NodeProtoSchema } from './schema/onnx-ml_pb.js'
import { initializer, values } from './toy-graph.fixture.js'

const graphOf = (build: (graph: GraphBuilder) => void, edit: (model: ModelProto) => void = () => {}): Blob => {
  const graph = graphBuilder('node_')
  build(graph)
  const model = modelOf({
    ...{ name: 'g', graph, initializers: [initializer('w', [2, 2], values(4, 1))] },
    inputs: [{ name: 'x', dtype: 'f32', shape: ['rows', 2] }],
    outputs: [{ name: 'y', dtype: 'f32', shape: ['rows', 2] }],
  })
  edit(model)
  return new Blob([encodeModel(model) as Uint8Array<ArrayBuffer>])
}

const plain = (graph: GraphBuilder): void => graph.rename(graph.op('MatMul', ['x', 'w']), 'y')
const remedy = 'The graph is damaged: export it again.'

const CASES: readonly (readonly [string, Blob, string])[] = [
  [
    'a value that nothing makes',
    graphOf(graph => graph.rename(graph.op('MatMul', ['x', 'v']), 'y')),
    'Node "MatMul" ("node_MatMul_0") asks for "v", which nothing makes.',
  ],
  [
    'nodes that wait for each other',
    graphOf(graph => {
      graph.op('Add', ['x', 'b'])
      graph.rename(graph.op('Relu', ['node_Add_0']), 'b')
      graph.rename(graph.op('Relu', ['b']), 'y')
    }),
    'Node "Add" ("node_Add_0") asks for "b", which waits for it in turn.',
  ],
  ['an output that nothing makes', graphOf(graph => graph.op('Relu', ['x'])), 'The graph gives "y", which nothing makes.'],
  [
    'two values of one name',
    graphOf(graph => {
      plain(graph)
      graph.rename(graph.op('Relu', ['x']), 'y')
    }),
    'Node "Relu" ("node_Relu_1") makes "y", which is there already.',
  ],
  ['a node over an input', graphOf(graph => graph.rename(graph.op('Relu', ['x']), 'x')), 'Node "Relu" ("node_Relu_0") makes "x", which is there already.'], // prettier-ignore
  ['no output', graphOf(plain, model => (model.graph!.output = [])), 'The graph gives no output.'],
  [
    'an input without a type of elements',
    graphOf(plain, model => ((model.graph!.input[0].type!.value.value as { elemType: number }).elemType = 77)),
    'The graph\'s input "x" has elements of type 77.',
  ],
  [
    'an output without a type of elements',
    graphOf(plain, model => ((model.graph!.output[0].type!.value.value as { elemType: number }).elemType = 0)),
    'The graph\'s output "y" has elements of type 0.',
  ],
  [
    'a name with bytes of no text, cut and quoted',
    graphOf(graph => graph.rename(graph.op('MatMul', ['x', `a\0b\n${'c'.repeat(200)}`]), 'y')),
    `Node "MatMul" ("node_MatMul_0") asks for "a\\u0000b\\n${'c'.repeat(76)}…", which nothing makes.`,
  ],
]

it.each(CASES)('refuses a graph before it runs: %s', async (_, blob, what) => {
  await expect(openOnnx(blob)).rejects.toMatchObject({ code: 'BAD_FILE', message: `${what}\n${remedy}` })
})

it('takes nodes in any order, inputs that may be left out, and what graphs inside ask the outer one for', async () => {
  const inner = create(GraphProtoSchema, {
    name: 'inner',
    node: [create(NodeProtoSchema, { opType: 'MatMul', input: ['late', 'w'], output: ['in'] })],
    output: [{ name: 'in' }],
  })
  const blob = graphOf(
    graph => {
      graph.rename(graph.op('If', ['condition']), 'y')
      graph.rename(graph.op('Clip', ['x', '', '']), 'late')
      graph.rename(graph.op('Not', ['never']), 'condition')
      graph.rename(graph.op('IsNaN', ['late']), 'never')
    },
    model => {
      const attribute = (name: string) => create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g: inner })
      model.graph!.node[0].attribute = ['then_branch', 'else_branch'].map(attribute)
    },
  )
  const { graph, close } = await openOnnx(blob)
  expect(graph.node).toHaveLength(4)
  await close()
})
