import { bytes, fieldBytes, fieldFloat, fieldText, fieldVarint } from './protobuf.js'
import type { DType, Shape } from './dtype.js'

export type OnnxType = DType | 'int64'
/** ONNX TensorProto.DataType numbers. */
export const ONNX_TYPE: Readonly<Record<OnnxType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 }

/** A whole number, a float, a text or a list of whole numbers. */
export type AttributeValue = number | { readonly float: number } | string | readonly number[]
export type Attributes = Readonly<Record<string, AttributeValue>>

/** Builds one ONNX model; every method returns the name of a value in it. */
export interface Graph {
  /** Without a shape the input may have any. */
  input(name: string, dtype: OnnxType, shape?: Shape): string
  /** Declares a value as output and returns its name. */
  output(name: string, dtype: DType, shape?: Shape): string
  constant(dtype: OnnxType, shape: Shape, values: readonly number[]): string
  /** A large constant under a name of its own, written when the model is; the same name again is the same constant. */
  embed(name: string, shape: Shape, values: Uint8Array | Float32Array): string
  /** Bytes of the large constants. */
  embedded(): number
  int64(values: readonly number[]): string
  float(value: number): string
  op(type: string, inputs: readonly string[], attributes?: Attributes, domain?: string): string
  /** An operator of so many outputs. */
  many(count: number, type: string, inputs: readonly string[], attributes?: Attributes, domain?: string): readonly string[]
  /** An operator of the com.microsoft domain. */
  microsoft(type: string, inputs: readonly string[], attributes?: Attributes): string
  cast(input: string, dtype: OnnxType): string
  reshape(input: string, shape: Shape): string
  /** A reshape of a value of this shape; where it is an output, the value itself can be handed over, which saves a copy. */
  view(input: string, from: Shape, shape: Shape): string
  /** What a view is of; any other value is its own. */
  origin(name: string, shape: Shape): { readonly name: string; readonly shape: Shape }
  nodeCount(): number
  model(): Uint8Array
}

/** What only embedded constants are. */
const UINT8 = 2
const OPSET = 17
const IR_VERSION = 8
const INT = 2
const FLOAT = 1
const STRING = 3
const INTS = 7

function encodeAttribute(name: string, value: AttributeValue): Uint8Array {
  if (typeof value === 'number') return bytes(fieldText(1, name), fieldVarint(3, value), fieldVarint(20, INT))
  if (typeof value === 'string') return bytes(fieldText(1, name), fieldText(4, value), fieldVarint(20, STRING))
  if ('float' in value) return bytes(fieldText(1, name), fieldFloat(2, value.float), fieldVarint(20, FLOAT))
  return bytes(fieldText(1, name), ...value.map(item => fieldVarint(8, item)), fieldVarint(20, INTS))
}

/** Numbers as an array of the type. */
export function arrayFor(dtype: OnnxType, values: readonly number[]) {
  if (dtype === 'float32') return Float32Array.from(values)
  if (dtype === 'int32') return Int32Array.from(values)
  return dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Uint8Array.from(values)
}

function encodeConstant(name: string, dtype: OnnxType, shape: Shape, values: readonly number[]): Uint8Array {
  const dims = shape.map(size => fieldVarint(1, size))
  return bytes(...dims, fieldVarint(2, ONNX_TYPE[dtype]), fieldText(8, name), fieldBytes(9, new Uint8Array(arrayFor(dtype, values).buffer)))
}

function encodeEmbedded(name: string, { shape, values }: Embedded): Uint8Array {
  const type = values instanceof Float32Array ? ONNX_TYPE.float32 : UINT8
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return fieldBytes(5, bytes(...shape.map(size => fieldVarint(1, size)), fieldVarint(2, type), fieldText(8, name), fieldBytes(9, raw)))
}

function encodeValueInfo(name: string, dtype: OnnxType, shape: Shape | undefined): Uint8Array {
  const dims = shape === undefined ? [] : [fieldBytes(2, bytes(...shape.map(size => fieldBytes(1, fieldVarint(1, size)))))]
  return bytes(fieldText(1, name), fieldBytes(2, fieldBytes(1, bytes(fieldVarint(1, ONNX_TYPE[dtype]), ...dims))))
}

function encodeOpset(domain: string, version: number): Uint8Array {
  return fieldBytes(8, bytes(fieldText(1, domain), fieldVarint(2, version)))
}

function encodeNode(
  label: string,
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes,
  domain: string,
) {
  return bytes(
    ...inputs.map(name => fieldText(1, name)),
    ...outputs.map(name => fieldText(2, name)),
    fieldText(3, label),
    fieldText(4, type),
    ...Object.entries(attributes).map(([name, value]) => fieldBytes(5, encodeAttribute(name, value))),
    ...(domain === '' ? [] : [fieldText(7, domain)]),
  )
}

/**
 * The first output of every graph: an empty sequence, which the binding of ONNX Runtime cannot hand to JavaScript.
 * A run that fetches it stops there with an error, when all the others are computed and none is copied yet.
 */
export const STOP = 'stop'
const STOP_NODE = fieldBytes(1, encodeNode(STOP, 'SequenceEmpty', [], [STOP], {}, ''))
const SEQUENCE_OF_FLOATS = fieldBytes(4, fieldBytes(1, fieldBytes(1, fieldVarint(1, ONNX_TYPE.float32))))
const STOP_OUTPUT = fieldBytes(12, bytes(fieldText(1, STOP), fieldBytes(2, SEQUENCE_OF_FLOATS)))

interface Embedded {
  readonly shape: Shape
  readonly values: Uint8Array | Float32Array
}

/** An empty graph. */
export function createGraph(): Graph {
  const nodes: Uint8Array[] = []
  const constants: Uint8Array[] = []
  const inputs: Uint8Array[] = []
  const outputs: Uint8Array[] = []
  const constantNames = new Map<string, string>()
  const large = new Map<string, Embedded>()
  const origins = new Map<string, { readonly name: string; readonly shape: Shape }>()
  const graph: Graph = {
    input: (name, dtype, shape) => (inputs.push(fieldBytes(11, encodeValueInfo(name, dtype, shape))), name),
    output: (name, dtype, shape) => (outputs.push(fieldBytes(12, encodeValueInfo(name, dtype, shape))), name),
    constant(dtype, shape, values) {
      const key = `${dtype}[${shape}]${values.map(value => (Object.is(value, -0) ? '-0' : value))}`
      const known = constantNames.get(key)
      if (known !== undefined) return known
      const name = `c${constantNames.size}`
      constantNames.set(key, name)
      constants.push(fieldBytes(5, encodeConstant(name, dtype, shape, values)))
      return name
    },
    embed: (name, shape, values) => (large.set(name, { shape, values }), name),
    embedded: () => [...large.values()].reduce((sum, { values }) => sum + values.byteLength, 0),
    int64: values => graph.constant('int64', [values.length], values),
    float: value => graph.constant('float32', [], [value]),
    many(count, type, from, attributes = {}, domain = '') {
      const made = Array.from({ length: count }, (_, at) => `t${nodes.length}${at === 0 ? '' : `_${at}`}`)
      nodes.push(fieldBytes(1, encodeNode(`${type}_${nodes.length}`, type, from, made, attributes, domain)))
      return made
    },
    op: (type, from, attributes, domain) => graph.many(1, type, from, attributes, domain)[0],
    microsoft: (type, from, attributes) => graph.op(type, from, attributes, 'com.microsoft'),
    cast: (input, dtype) => graph.op('Cast', [input], { to: ONNX_TYPE[dtype] }),
    reshape: (input, shape) => graph.op('Reshape', [input, graph.int64(shape)]),
    view(input, from, shape) {
      const name = graph.reshape(input, shape)
      origins.set(name, { name: input, shape: from })
      return name
    },
    origin: (name, shape) => origins.get(name) ?? { name, shape },
    nodeCount: () => nodes.length,
    model() {
      const embedded = [...large].map(([name, constant]) => encodeEmbedded(name, constant))
      const body = bytes(...nodes, STOP_NODE, fieldText(2, 'trace'), ...constants, ...embedded, ...inputs, STOP_OUTPUT, ...outputs)
      const opsets = [encodeOpset('', OPSET), encodeOpset('com.microsoft', 1), encodeOpset('com.microsoft.nchwc', 1)]
      return bytes(fieldVarint(1, IR_VERSION), fieldBytes(7, body), ...opsets)
    },
  }
  return graph
}
