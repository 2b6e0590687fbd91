import { create } from '@bufbuild/protobuf'
import { fromFloat32, fromIntegers, type Dense, type DType } from '@tersor/tensor'
import { typeOf } from './data-types.js'
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
} from './schema/onnx-ml_pb.js'

/** A whole number, a float, a text or a list of whole numbers. */
export type AttributeValue = number | { readonly float: number } | string | readonly number[]

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue>>
  /** Of the operator; ONNX's own where absent. */
  readonly domain?: string
  /** How many values it gives; 1 where absent. */
  readonly outputs?: number
}

/** Collects nodes and small constants; each call gives the name of the value that it makes. */
export interface GraphBuilder {
  readonly nodes: readonly NodeProto[]
  readonly constants: readonly TensorProto[]
  op(type: string, inputs: readonly string[], options?: NodeOptions): string
  /** All values of a node. */
  ops(type: string, inputs: readonly string[], options: NodeOptions): readonly string[]
  /** The same constant twice is stored once. */
  constant(dtype: DType, shape: readonly number[], values: readonly number[]): string
  int64(values: readonly number[]): string
  cast(value: string, dtype: DType): string
  /** Gives the value that the last node makes another name. */
  rename(value: string, name: string): void
}

/** The domain of ONNX Runtime's own operators. */
export const MICROSOFT = 'com.microsoft'

export const attribute = (name: string, value: AttributeValue): AttributeProto => {
  if (typeof value === 'number') return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) })
  if (typeof value === 'string') return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) })
  if ('float' in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float })
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) })
}

/** What an initializer is, without its data. */
export const tensorHeader = (name: string, { dtype, shape }: Pick<Dense, 'dtype' | 'shape'>): TensorProto =>
  create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: typeOf(dtype)! })

const denseConstant = (dtype: DType, shape: readonly number[], values: readonly number[]): Dense =>
  dtype === 'f32' || dtype === 'f16' ? fromFloat32(values, dtype, shape) : fromIntegers(values, dtype, shape)

/** An empty builder; `prefix` keeps its names apart from all others of the graph. */
export const graphBuilder = (prefix: string): GraphBuilder => {
  const nodes: NodeProto[] = []
  const constants = new Map<string, TensorProto>()
  const ops: GraphBuilder['ops'] = (opType, inputs, { attributes = {}, domain = '', outputs = 1 }) => {
    const name = `${prefix}${opType}_${nodes.length}`
    const output = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}_${i}`))
    const attributes_ = Object.entries(attributes).map(([key, value]) => attribute(key, value))
    nodes.push(create(NodeProtoSchema, { name, opType, input: [...inputs], output, attribute: attributes_, ...(domain ? { domain } : {}) }))
    return output
  }
  const builder: GraphBuilder = {
    nodes,
    get constants() {
      return [...constants.values()]
    },
    ops,
    op: (type, inputs, options = {}) => ops(type, inputs, options)[0],
    constant: (dtype, shape, values) => {
      const key = `${dtype}[${shape.join()}]${values.join()}`
      const known = constants.get(key)
      if (known) return known.name
      const made = denseConstant(dtype, shape, values)
      const proto = tensorHeader(`${prefix}constant_${constants.size}`, made)
      proto.rawData = made.bytes as Uint8Array<ArrayBuffer>
      constants.set(key, proto)
      return proto.name
    },
    int64: values => builder.constant('i64', [values.length], values),
    cast: (value, dtype) => builder.op('Cast', [value], { attributes: { to: typeOf(dtype)! } }),
    rename: (value, name) => {
      const { output } = nodes[nodes.length - 1]
      output[output.indexOf(value)] = name
    },
  }
  return builder
}
