import * as tf from '@tensorflow/tfjs-core'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A kernel that tfjs ran: what went in and came out, and its settings. */
interface Call {
  readonly kernel: string
  readonly inputs: readonly tf.Tensor[]
  readonly outputs: readonly tf.Tensor[]
  readonly settings: Readonly<Record<string, unknown>>
}

type Run = ReturnType<typeof tf.engine>['runKernel']

/** What a tensor was that no kernel made from others. */
interface Given {
  readonly dtype: 'float32' | 'int32'
  readonly shape: readonly number[]
  readonly numbers: readonly number[]
}

/** Runs some work and notes every kernel that it runs, and the numbers that come from nowhere. */
const traced = <T>(known: ReadonlySet<number>, work: () => T) => {
  const engine = tf.engine()
  const run: Run = engine.runKernel.bind(engine)
  const calls: Call[] = []
  const made = new Set(known)
  const given = new Map<number, Given>()
  const note = (tensor: tf.Tensor): void => {
    if (made.has(tensor.id) || given.has(tensor.id)) return
    const { id, shape, dtype } = tensor
    given.set(id, { shape, dtype: dtype === 'int32' ? 'int32' : 'float32', numbers: [...tensor.dataSync()] })
  }
  engine.runKernel = ((kernel, inputs, settings = {}) => {
    const all = Object.values(inputs).flat().filter(Boolean)
    all.forEach(note)
    const result = run(kernel, inputs, settings)
    const outputs = [result].flat()
    if (all.length > 0) {
      calls.push({ kernel, inputs: all, outputs, settings: { ...settings } })
      for (const { id } of outputs) made.add(id)
    }
    return result
  }) as Run
  try {
    return { result: work(), calls, given }
  } finally {
    engine.runKernel = run
  }
}

type Attributes = Readonly<Record<string, object>>
interface Node {
  readonly name: string
  readonly op: string
  readonly input: readonly string[]
  readonly attr: Attributes
}

/** How a kernel is written as a node: its operator, the whole numbers that it takes as constants behind its inputs, and its attributes. */
interface Form {
  readonly op: string
  readonly constants?: readonly (readonly [numbers: readonly number[], shape: readonly number[]])[]
  readonly attr?: Attributes
}

const list = (numbers: readonly number[]): object => ({ list: { i: numbers.map(String) } })
const word = (text: string): object => ({ s: Buffer.from(text).toString('base64') })
const pair = (value: unknown): readonly number[] => (Array.isArray(value) ? (value as number[]) : [value as number, value as number])
const places = (value: unknown): object => list([1, ...pair(value), 1])
const vector = (value: unknown): readonly [readonly number[], readonly number[]] => {
  const numbers = [value].flat() as number[]
  return [numbers, [numbers.length]]
}

const walk = ({ strides, pad, dilations = 1, filterSize }: Call['settings']): Attributes => ({
  strides: places(strides),
  dilations: places(dilations),
  padding: word(typeof pad === 'string' ? pad.toUpperCase() : 'EXPLICIT'),
  ...(typeof pad === 'number' ? { explicit_paddings: list([0, 0, pad, pad, pad, pad, 0, 0]) } : {}),
  data_format: word('NHWC'),
  ...(filterSize === undefined ? {} : { ksize: places(filterSize) }),
})
const reduced: (op: string) => (call: Call) => Form =
  op =>
  ({ settings }) => ({ op, constants: [vector(settings.axis)], attr: { keep_dims: { b: settings.keepDims === true } } })
const plain = (op: string) => (): Form => ({ op })
const walking = (op: string) => (call: Call): Form => ({ op, attr: walk(call.settings) }) // prettier-ignore

const FORMS: Readonly<Record<string, (call: Call) => Form>> = {
  ...{ Identity: plain('Identity'), Cast: plain('Identity'), Add: plain('AddV2'), Sub: plain('Sub'), Multiply: plain('Mul') },
  ...{ RealDiv: plain('RealDiv'), Relu: plain('Relu'), Sigmoid: plain('Sigmoid'), Exp: plain('Exp'), Maximum: plain('Maximum') },
  ...{ Minimum: plain('Minimum'), Relu6: plain('Relu6'), Softmax: plain('Softmax') },
  ...{ Conv2D: walking('Conv2D'), DepthwiseConv2dNative: walking('DepthwiseConv2dNative') },
  ...{ MaxPool: walking('MaxPool'), AvgPool: walking('AvgPool'), Mean: reduced('Mean'), Sum: reduced('Sum'), Max: reduced('Max') },
  FusedBatchNorm: ({ settings }) => ({ op: 'FusedBatchNormV3', attr: { epsilon: { f: settings.varianceEpsilon }, data_format: word('NHWC') } }), // prettier-ignore
  Tile: ({ settings }) => ({ op: 'Tile', constants: [vector(settings.reps)] }),
  LeakyRelu: ({ settings }) => ({ op: 'LeakyRelu', attr: { alpha: { f: settings.alpha } } }),
  ClipByValue: ({ settings }) => {
    if (settings.clipValueMin !== 0 || settings.clipValueMax !== 6) throw new Error('Only clips from 0 to 6 have a node here.')
    return { op: 'Relu6' }
  },
  Reshape: ({ outputs: [y] }) => ({ op: 'Reshape', constants: [vector(y.shape)] }),
  ExpandDims: ({ settings }) => ({ op: 'ExpandDims', constants: [[[settings.dim as number], []]] }),
  Transpose: ({ settings }) => ({ op: 'Transpose', constants: [vector(settings.perm)] }),
  BatchMatMul: ({ settings, inputs: [x] }) => {
    const [a, b] = [{ b: settings.transposeA === true }, { b: settings.transposeB === true }]
    return x.rank === 2 ? { op: 'MatMul', attr: { transpose_a: a, transpose_b: b } } : { op: 'BatchMatMulV2', attr: { adj_x: a, adj_y: b } }
  },
  Concat: ({ settings, inputs }) => ({ op: 'ConcatV2', constants: [[[settings.axis as number], []]], attr: { N: { i: String(inputs.length) } } }), // prettier-ignore
  Pack: ({ settings, inputs }) => ({ op: 'Pack', attr: { axis: { i: String(settings.axis) }, N: { i: String(inputs.length) } } }),
  Unpack: ({ settings, outputs }) => ({ op: 'Unpack', attr: { axis: { i: String(settings.axis) }, num: { i: String(outputs.length) } } }),
  PadV2: ({ settings }) => ({ op: 'Pad', constants: [[(settings.paddings as number[][]).flat(), [(settings.paddings as number[][]).length, 2]]] }), // prettier-ignore
  Slice: ({ settings }) => ({ op: 'Slice', constants: [vector(settings.begin), vector(settings.size)] }),
}

/** A network in code as the graph that it ran for one input: nodes, and the numbers that are no weights. */
export interface TracedGraph {
  readonly nodes: readonly Node[]
  readonly constants: readonly { readonly entry: tf.io.WeightsManifestEntry; readonly bytes: Uint8Array }[]
}

/** Runs a network of tfjs that is written in code and says what graph it ran, for weights by name; what it gives is called "out_0", "out_1" … */
export const traceGraph = (
  weights: Readonly<Record<string, tf.Tensor>>,
  input: tf.Tensor,
  run: () => readonly tf.Tensor[],
): TracedGraph => {
  const { calls, result, given } = traced(new Set([input, ...Object.values(weights)].map(({ id }) => id)), run)
  const names = new Map(Object.entries(weights).map(([name, { id }]) => [id, name]))
  names.set(input.id, 'image')
  const nodes: Node[] = [{ name: 'image', op: 'Placeholder', input: [], attr: { shape: { shape: { dim: input.shape.map(size => ({ size: String(size) })) } } } }] // prettier-ignore
  const constants: TracedGraph['constants'][number][] = []
  const constant = (dtype: 'float32' | 'int32', shape: readonly number[], numbers: readonly number[]): string => {
    const name = `constant_${constants.length}`
    const bytes = new Uint8Array((dtype === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers)).buffer)
    constants.push({ entry: { name, shape: [...shape], dtype }, bytes })
    nodes.push({ name, op: 'Const', input: [], attr: {} })
    return name
  }
  for (const name of Object.keys(weights)) nodes.push({ name, op: 'Const', input: [], attr: {} })
  const nameOf = (tensor: tf.Tensor): string => {
    const known = names.get(tensor.id)
    if (known !== undefined) return known
    const { dtype, shape, numbers } = given.get(tensor.id)!
    const name = constant(dtype, shape, numbers)
    names.set(tensor.id, name)
    return name
  }
  for (const call of calls) {
    const form = FORMS[call.kernel]?.(call)
    if (!form) throw new Error(`The kernel ${call.kernel} has no node here.`)
    const { op, constants: more = [], attr = {} } = form
    const inputs = [...call.inputs.map(nameOf), ...more.map(([numbers, shape]) => constant('int32', shape, numbers))]
    const name = `${op}_${nodes.length}`
    nodes.push({ name, op, input: inputs, attr: { T: { type: 'DT_FLOAT' }, ...attr } })
    call.outputs.forEach(({ id }, i) => names.set(id, i === 0 ? name : `${name}:${i}`))
  }
  const outputs = result.map((tensor, i) => ({
    name: `out_${i}`,
    op: 'Identity',
    input: [nameOf(tensor)],
    attr: { T: { type: 'DT_FLOAT' } },
  }))
  const asked = new Set<string>()
  for (const node of [...nodes, ...outputs].reverse())
    if (node.name.startsWith('out_') || asked.has(node.name)) for (const each of node.input) asked.add(each.replace(/:\d+$/, ''))
  return {
    nodes: [...nodes.filter(({ name }) => asked.has(name)), ...outputs],
    constants: constants.filter(({ entry }) => asked.has(entry.name)),
  }
}

/** Writes the graph of a network in code with its weights as a model.json, which any program of tfjs loads. */
export const placeTraced = async (folder: string, graph: TracedGraph, weights: Readonly<Record<string, tf.Tensor>>): Promise<string> => {
  const used = Object.entries(weights).filter(([name]) => graph.nodes.some(node => node.name === name))
  const own = used.map(([name, { shape }]) => ({ name, shape: [...shape], dtype: 'float32' as const }))
  const bytes = used.map(([, tensor]) => Buffer.from(Float32Array.from(tensor.dataSync()).buffer))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'weights.bin'), Buffer.concat([...bytes, ...graph.constants.map(each => each.bytes)]))
  const weightsManifest = [{ paths: ['weights.bin'], weights: [...own, ...graph.constants.map(({ entry }) => entry)] }]
  const path = join(folder, 'model.json')
  await writeFile(
    path,
    JSON.stringify({ format: 'graph-model', modelTopology: { node: graph.nodes, versions: { producer: 1 } }, weightsManifest }),
  )
  return path
}
