import { create } from '@bufbuild/protobuf'
import '@tensorflow/tfjs-backend-cpu'
import { affineOf, createRng, decode, matrixOf } from '@tersor/core'
import { dense, fromFloat32, fromIntegers, toFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { casesTried } from '@tersor/testing'
import { readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { temporaryFolder } from '../../../formats/src/files/failing-file-system.fixture.js'
import { encodeModel, graphBuilder, modelOf, onnxSink, openOnnx, tensorHeader, withTrees, type OnnxSinkOptions } from '../file.js'
import { floats, largestDifference, runOnnx } from './run.fixture.js'
import { AttributeProto_AttributeType, AttributeProtoSchema, type TensorProto } from './schema/onnx-ml_pb.js'
import { values, writeConvolution, writeMlp } from './toy-graph.fixture.js'

let folder = ''
beforeAll(async () => {
  folder = await temporaryFolder()
  writeMlp(`${folder}/mlp.onnx`)
  writeMlp(`${folder}/half.onnx`, 'f16')
  writeConvolution(`${folder}/convolution.onnx`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Grid {
  readonly bits: number
  readonly group: number
  readonly zeros: boolean
}

const grid = (rows: number, columns: number, { bits, group, zeros }: Grid): Parameter => {
  const rng = createRng(bits + group)
  const count = rows * Math.ceil(columns / group)
  const draw = (length: number) => Uint8Array.from({ length }, () => rng.integer(2 ** bits))
  return affineOf({
    ...{ shape: [rows, columns], bits, group, codes: draw(rows * columns) },
    scales: fromHalves(Array.from({ length: count }, () => (1 + rng.uniform()) / 2 ** bits)),
    ...(zeros ? { zeros: draw(count) } : {}),
  })
}
const fromHalves = (numbers: readonly number[]): Float32Array => toFloat32(fromFloat32(numbers, 'f16', [numbers.length]))

/** Writes parameters into a graph, or a graph as it is, and gives its path. */
const written = async (
  from: string,
  to: string,
  parameters: Readonly<Record<string, Parameter>>,
  options: Omit<OnnxSinkOptions, 'source'> = {},
): Promise<string> => {
  const source = withTrees(await openOnnx(`${folder}/${from}.onnx`))
  const path = `${folder}/${to}.onnx`
  const sink = onnxSink(path, { source, overwrite: true, ...options })
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  await (
    await sink.finish()
  ).close!()
  await source.close()
  return path
}

const numbers = (parameter: Parameter): Float32Array => {
  const tensor = decode(parameter)
  const data = tensor.dataSync() as Float32Array
  tensor.dispose()
  return data
}

/** The codes of a tree, whatever stands around them. */
const codesOf = (parameter: Parameter): Encoded => {
  const tree = parameter as Encoded
  return tree.codec.name === 'matrix' ? (tree.parts.values as Encoded) : tree
}

const GRIDS: readonly Grid[] = [2, 3, 4, 8].flatMap(bits =>
  [16, 32, 96].flatMap(group => [false, true].map(zeros => ({ bits, group, zeros }))),
)

describe.each(['mlp', 'half'])('a compressed graph: %s', from => {
  const input = floats(values(192, 9), [2, 96])

  const stored = GRIDS.flatMap(each => (['MatMulNBits', 'QDQ'] as const).map(form => ({ ...each, form }))).filter(
    ({ bits, form }) => form !== 'QDQ' || bits > 2,
  )
  it.each(casesTried(stored, from === 'half' ? 11 : 9))('has its weights as trees of the same values: %j', async ({ form, ...options }) => {
    const parameters = { up: matrixOf(grid(64, 96, options), 1, [96, 64]), down: grid(24, 64, options) }
    const path = await written(from, 'small', parameters, { form })
    const { params, graph, close } = withTrees(await openOnnx(path))
    expect([...params.names()].sort()).toEqual(['bias', 'down', 'shift', 'up'])
    expect(graph.node.map(({ opType }) => opType)).toEqual(
      form === 'QDQ' ? ['MatMul', 'Add', 'Relu', 'Gemm'] : ['MatMul', 'Add', 'Relu', 'MatMul', 'Add'],
    )
    const up = (await params.read('up')) as Encoded
    expect(params.info('up')).toMatchObject({ codec: up.codec.name, shape: [96, 64] })
    expect(numbers(up)).toEqual(numbers(parameters.up))
    expect(codesOf(up).codec.name).toBe('affine')
    const down = numbers(await params.read('down'))
    const expected = numbers(parameters.down)
    const turned = (i: number) => expected[(i % 24) * 64 + Math.floor(i / 24)]
    expect(down).toEqual(form === 'QDQ' ? expected : expected.map((_, i) => turned(i)))
    await close()

    // and is written as it stood, with nothing and with everything replaced
    const [first, again] = [readFileSync(path), readFileSync(await written('small', 'again', {}))]
    if (from === 'half') return expect(again.length).toBeLessThan(first.length + 256)
    expect(again.length).toBe(first.length)
    const ran = async (file: string) => (await runOnnx(file, { x: input })).y.data
    expect(largestDifference(await ran(`${folder}/again.onnx`), await ran(path))).toBe(0)
  })
})

it('counts the bytes that the file has', async () => {
  const path = await written('mlp', 'small', { up: matrixOf(grid(64, 96, { bits: 4, group: 32, zeros: true }), 1, [96, 64]) })
  const { params, close } = withTrees(await openOnnx(path))
  expect(params.info('up').byteLength).toBe((64 * 96) / 2 + 4 * 64 * 3 + 64 * 2)
  await close()
})

it('has filters of convolutions as matrices', async () => {
  const filters = matrixOf(grid(8, 27, { bits: 8, group: 27, zeros: true }), 0, [8, 3, 3, 3])
  const path = await written('convolution', 'small', { filters })
  const { params, graph, close } = withTrees(await openOnnx(path))
  const read = (await params.read('filters')) as Encoded
  expect([read.codec.name, read.shape, read.parts.values.shape]).toEqual(['matrix', [8, 3, 3, 3], [8, 27]])
  expect(numbers(read)).toEqual(numbers(filters))
  expect(graph.node[0].input).toEqual(['x', 'filters', 'shift'])
  await close()
})

it('has halves of a float graph as halves', async () => {
  const half = fromFloat32(values(96 * 64, 1), 'f16', [96, 64])
  const path = await written('mlp', 'small', { up: half })
  const { params, tensors, close } = withTrees(await openOnnx(path))
  expect(await params.read('up')).toEqual(half)
  expect(params.info('up')).toEqual({ shape: [96, 64], byteLength: 2 * 96 * 64, dtype: 'f16' })
  expect(tensors.find(({ name }) => name === 'up')).toMatchObject({ dtype: 'f32', stored: 'float' })
  await close()
  expect(readFileSync(await written('small', 'again', {})).length).toBe(readFileSync(path).length)
})

const stored = (name: string, tensor: Dense): TensorProto => {
  const proto = tensorHeader(name, tensor)
  proto.rawData = tensor.bytes as Uint8Array<ArrayBuffer>
  return proto
}

/** A graph as another tool writes it: y = x · W, W by DequantizeLinear. */
const writeForeign = (
  path: string,
  initializers: readonly TensorProto[],
  attributes: Readonly<Record<string, number>>,
  outputs = 1,
): void => {
  const graph = graphBuilder('n_')
  const weight = graph.op('DequantizeLinear', initializers.map(({ name }) => name), { attributes }) // prettier-ignore
  graph.rename(weight, 'w')
  graph.rename(graph.op('MatMul', ['x', 'w']), 'y')
  const value = (name: string, shape: readonly (string | number)[]) => ({ name, dtype: 'f32' as const, shape })
  const model = modelOf({
    ...{ name: 'foreign', graph, initializers, inputs: [value('x', ['n', 4])] },
    outputs: [value('y', ['n', 2]), value('w', [4, 2])].slice(0, outputs),
  })
  writeFileSync(path, encodeModel(model))
}

const integers = (list: readonly number[], dtype: 'i8' | 'u8', shape: readonly number[]): Dense => fromIntegers(list, dtype, shape)
const scales = (...list: readonly number[]): Dense => fromFloat32(list, 'f32', list.length === 1 ? [] : [list.length])

it.each([
  [
    'one scale, codes from 0 on',
    [integers([0, 1, 2, 3, 4, 5, 6, 7], 'u8', [4, 2]), scales(0.1)],
    {},
    [0, 1, 2, 3, 4, 5, 6, 7].map(code => code * Math.fround(0.1)),
  ],
  [
    'one scale, signed codes and a zero',
    [integers([-3, 1, 2, 3, 4, 5, 6, 7], 'i8', [4, 2]), scales(0.5), integers([-1], 'i8', [])],
    {},
    [-1, 1, 1.5, 2, 2.5, 3, 3.5, 4],
  ],
  ['a scale for each output', [integers([1, 1, 2, 2, 3, 3, 4, 4], 'i8', [4, 2]), scales(1, 10)], { axis: 1 }, [1, 10, 2, 20, 3, 30, 4, 40]],
  [
    'a scale for each output, counted from the end',
    [integers([1, 1, 2, 2, 3, 3, 4, 4], 'i8', [4, 2]), scales(1, 10)],
    { axis: -1 },
    [1, 10, 2, 20, 3, 30, 4, 40],
  ],
  ['a scale for each input', [integers([1, 1, 1, 1, 1, 1, 1, 1], 'i8', [4, 2]), scales(1, 2, 3, 4)], { axis: 0 }, [1, 1, 2, 2, 3, 3, 4, 4]],
  [
    'scales of runs',
    [integers([1, 1, 1, 1, 1, 1, 1, 1], 'i8', [4, 2]), fromFloat32([1, 2, 3, 4], 'f32', [2, 2])],
    { axis: 0, block_size: 2 },
    [1, 2, 1, 2, 3, 4, 3, 4],
  ],
] as const)('reads what other tools write: %s', async (_, parts, attributes, expected) => {
  const names = ['w_codes', 'w_scale', 'w_zero']
  writeForeign(`${folder}/foreign.onnx`, parts.map((part, i) => stored(names[i], part)), attributes) // prettier-ignore
  const { params, graph, close } = withTrees(await openOnnx(`${folder}/foreign.onnx`))
  expect(params.names()).toEqual(['w_codes'])
  expect(graph.node.map(({ opType, input }) => [opType, ...input])).toEqual([['MatMul', 'x', 'w_codes']])
  expect([...numbers(await params.read('w_codes'))]).toEqual(expected.map(value => Math.fround(value)))
  await close()
  const x = { x: floats(values(8, 2), [2, 4]) }
  const path = await written('foreign', 'again', {})
  expect(largestDifference((await runOnnx(path, x)).y.data, (await runOnnx(`${folder}/foreign.onnx`, x)).y.data)).toBe(0)
})

it.each([
  ['a value that the graph gives', [integers([0, 1, 2, 3, 4, 5, 6, 7], 'u8', [4, 2]), scales(0.1)], {}, 2],
  ['codes of another size than the scales', [integers([0, 1, 2, 3, 4, 5, 6, 7], 'u8', [4, 2]), scales(1, 2, 3)], { axis: 1 }, 1],
  ['codes of 32 bits', [dense('i32', [4, 2], new Uint8Array(32)), scales(1)], {}, 1],
] as const)('leaves alone: %s', async (_, parts, attributes, outputs) => {
  const names = ['w_codes', 'w_scale']
  writeForeign(`${folder}/foreign.onnx`, parts.map((part, i) => stored(names[i], part)), attributes, outputs) // prettier-ignore
  const source = await openOnnx(`${folder}/foreign.onnx`)
  expect(withTrees(source)).toBe(source)
  await source.close()
})

/** The attributes of the products by codes in a file. */
const levels = async (path: string): Promise<readonly (readonly [string, bigint])[]> => {
  const { graph, close } = await openOnnx(path)
  await close()
  return graph.node
    .filter(({ opType }) => opType === 'MatMulNBits')
    .map(({ input, attribute }) => [input[1], attribute.find(({ name }) => name === 'accuracy_level')?.i ?? -1n])
}

it('keeps the precision that a product by codes was to be computed in, and whatever else its node said', async () => {
  const path = await written('mlp', 'plain', { up: matrixOf(grid(64, 96, { bits: 4, group: 32, zeros: true }), 1, [96, 64]), down: grid(24, 64, { bits: 4, group: 32, zeros: true }) }) // prettier-ignore
  const { model, close } = await openOnnx(path)
  const exact = model.graph!.node.find(({ opType }) => opType === 'MatMulNBits')!
  exact.attribute.push(create(AttributeProtoSchema, { name: 'accuracy_level', type: AttributeProto_AttributeType.INT, i: 4n }))
  const large = model.graph!.initializer.filter(({ rawData }) => rawData.length === 0).map(({ name }) => name)
  expect(large).toEqual([])
  writeFileSync(`${folder}/level.onnx`, encodeModel(model))
  await close()
  expect(await levels(`${folder}/level.onnx`)).toEqual([
    ['up_Q4', 4n],
    ['down_Q4', -1n],
  ])
  expect(await levels(await written('level', 'same', {}))).toEqual([
    ['up_Q4', 4n],
    ['down_Q4', -1n],
  ])
  const other = matrixOf(grid(64, 96, { bits: 8, group: 32, zeros: true }), 1, [96, 64])
  expect(await levels(await written('level', 'other', { up: other }))).toEqual([
    ['up_Q8', 4n],
    ['down_Q4', -1n],
  ])
  expect(await levels(await written('level', 'values', { up: other }, { form: 'QDQ' }))).toEqual([])
})
