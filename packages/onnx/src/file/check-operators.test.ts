import { clearField, create } from '@bufbuild/protobuf'
import { encodeModel, graphBuilder, MICROSOFT, modelOf, openOnnx, type ModelProto, type NodeProto } from '../file.js'
import { AttributeProto_AttributeType as Type, AttributeProtoSchema, FunctionProtoSchema } from './schema/onnx-ml_pb.js'
import { initializer, values } from './toy-graph.fixture.js'

const remedy = 'The graph is damaged: export it again.'

/** y = Gemm(x, w) with transB = 1, edited. */
const open = async (edit: (node: NodeProto, model: ModelProto) => void): Promise<string> => {
  const graph = graphBuilder('')
  graph.rename(graph.op('Gemm', ['x', 'w'], { attributes: { transB: 1 } }), 'y')
  const value = (name: string) => ({ name, dtype: 'f32' as const, shape: ['rows', 2] })
  const initializers = [initializer('w', [2, 2], values(4, 1))]
  const model = modelOf({ name: 'g', graph, initializers, inputs: [value('x')], outputs: [value('y')] })
  model.graph!.node[0].name = ''
  edit(model.graph!.node[0], model)
  const file = await openOnnx(new Blob([encodeModel(model) as Uint8Array<ArrayBuffer>]))
  await file.close()
  return file.graph.node[0].opType
}

it.each<readonly [string, (node: NodeProto, model: ModelProto) => void]>([
  ['Node "Gem" is no operator of ONNX.', node => (node.opType = 'Gem')],
  ['Node "Gem" ("one") is no operator of ONNX.', node => Object.assign(node, { opType: 'Gem', name: 'one' })],
  ['Node "Gemm" has 1 inputs; it takes 2 to 3.', node => node.input.pop()],
  ['Node "Relu" has 2 inputs; it takes 1.', node => (node.opType = 'Relu')],
  ['Node "Loop" has 1 inputs; it takes 2 or more.', node => Object.assign(node, { opType: 'Loop', input: ['x'] })],
  ['Node "Gemm" has an attribute "tranB", which the operator has not.', node => (node.attribute[0].name = 'tranB')],
  ['Node "Gemm" has an attribute without a name.', node => (node.attribute[0].name = '')],
  ['Node "Gemm" has an attribute "transB" whose value is not of its type.', node => (node.attribute[0].type = Type.FLOAT)],
  ['Node "Gemm" has an attribute "transB" whose value is not of its type.', node => (node.attribute[0].type = 99 as Type)],
  [
    'Node "Gemm" has an attribute "transB" whose value is not of its type.',
    node => clearField(node.attribute[0], AttributeProtoSchema.field.type),
  ],
  ['Node "Gemm" is of the domain "a\\nb", of which the model names no version.', node => (node.domain = 'a\nb')],
  ['Node "MatMulNBits" lacks the attribute "K".', node => Object.assign(node, { domain: MICROSOFT, opType: 'MatMulNBits' })],
  ['The model names no version of its operators.', (_node, model) => (model.opsetImport = [])],
])('refuses what no runtime takes: %s', async (what, edit) => {
  await expect(open(edit)).rejects.toMatchObject({ code: 'BAD_FILE', message: `${what}\n${remedy}` })
})

it.each<readonly [string, (node: NodeProto, model: ModelProto) => void]>([
  ['operators of later versions', (node, model) => Object.assign(node, { opType: 'Later' }) && (model.opsetImport[0].version = 99n)],
  ['functions that the model brings', (node, model) => model.functions.push(create(FunctionProtoSchema, { name: (node.opType = 'Own') }))],
  [
    'domains that runtimes have by themselves',
    (node, model) => Object.assign(node, { domain: MICROSOFT, opType: 'FusedGemm' }) && model.opsetImport.pop(),
  ],
  [
    'attributes of an older version',
    node => node.attribute.push(create(AttributeProtoSchema, { name: 'broadcast', type: Type.INT, i: 1n })),
  ],
  [
    'attributes without a type in the oldest files',
    (node, model) => clearField(node.attribute[0], AttributeProtoSchema.field.type) ?? (model.irVersion = 1n),
  ],
  ['attributes whose value is the usual one and left out', node => clearField(node.attribute[0], AttributeProtoSchema.field.i)],
])('leaves to the runtime: %s', async (_, edit) => {
  expect(typeof (await open(edit))).toBe('string')
})
