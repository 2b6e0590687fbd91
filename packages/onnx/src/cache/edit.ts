import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { numberOf } from '../file/attributes.js'
import { graphBuilder, MICROSOFT, type GraphBuilder } from '../file/build.js'
import { typeOf } from '../file/data-types.js'
import { valueInfo } from '../file/model.js'
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  ModelProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type GraphProto,
  type NodeProto,
} from '../file/schema/onnx-ml_pb.js'
import { attentionNodes, type AttentionNodes } from './attention-nodes.js'
import type { GraphLayer } from './layers.js'

/** Names of what an edited graph takes and gives besides, of a layer. */
export const DOORS = {
  /** Taken: what is added to scores, so that an entry can be hidden; extents of 1 stand for all. */
  bias: (index: number): string => `tersor.bias.${index}`,
  /** Given: queries as they meet the keys, up to a factor, heads · tokens · size numbers. */
  queries: (index: number): string => `tersor.queries.${index}`,
  /** Given where scores are in the open: the softmax. */
  shares: (index: number): string => `tersor.shares.${index}`,
  /** Taken where keys and values are codes: scales (key heads · size). */
  scales: (index: number, part: 'keys' | 'values'): string => `tersor.${part}_scale.${index}`,
  /** Taken where the graph turned keys by their places. */
  positions: 'position_ids',
} as const

export interface CacheDoors {
  /** Whether queries and shares are given. */
  readonly observed?: boolean
  /** Keys and values as codes of so many bits, with a scale for each channel of each head; fused graphs only. */
  readonly bits?: 8 | 4
}

/** Places among the inputs of GroupQueryAttention. */
const SLOTS = { positions: 9, bias: 10, keyScale: 12, valueScale: 13 } as const

const wire = (node: NodeProto, slot: number, name: string): void => {
  while (node.input.length <= slot) node.input.push('')
  node.input[slot] = name
}

const freeInput = (name: string, dtype: 'f32' | 'f16'): ReturnType<typeof create<typeof ValueInfoProtoSchema>> =>
  create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: create(TypeProto_TensorSchema, { elemType: typeOf(dtype)! }) } }),
  })

/** The queries of a fused node as they meet the keys: without the keys and values packed behind them, and turned. */
const fusedQueries = (builder: GraphBuilder, node: NodeProto, { size }: GraphLayer): string => {
  const heads = numberOf(node, 'num_heads', 0)
  const [given, keys] = node.input
  const own = keys ? given : builder.op('Slice', [given, builder.int64([0]), builder.int64([heads * size]), builder.int64([2])])
  const turned = numberOf(node, 'do_rotary', 0)
    ? builder.op('RotaryEmbedding', [own, node.input[SLOTS.positions], node.input[7], node.input[8]], {
        domain: MICROSOFT,
        attributes: { num_heads: heads, interleaved: numberOf(node, 'rotary_interleaved', 0) },
      })
    : own
  const split = builder.op('Reshape', [turned, builder.int64([0, 0, heads, size])])
  return builder.op('Transpose', [split], { attributes: { perm: [0, 2, 1, 3] } }) // (batch, heads, tokens, size)
}

const setAttribute = (node: NodeProto, name: string, value: number | string): void => {
  node.attribute = node.attribute.filter(each => each.name !== name)
  const made =
    typeof value === 'number'
      ? create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) })
      : create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) })
  node.attribute.push(made)
}

/** Makes the past and present of a fused node codes, with scales that are fed. */
const asCodes = (graph: GraphProto, node: NodeProto, { index, keys, values, keyHeads, size }: GraphLayer, bits: 8 | 4): void => {
  setAttribute(node, 'kv_cache_bit_width', bits)
  setAttribute(node, 'k_quant_type', 'PER_CHANNEL')
  setAttribute(node, 'v_quant_type', 'PER_CHANNEL')
  wire(node, SLOTS.keyScale, DOORS.scales(index, 'keys'))
  wire(node, SLOTS.valueScale, DOORS.scales(index, 'values'))
  const names = new Set([keys.past, keys.present, values.past, values.present])
  const dtype = bits === 8 ? 'i8' : 'u8'
  const coded = (name: string) => valueInfo({ name, dtype, shape: [1, keyHeads, name.startsWith('past') ? 'past' : 'total', (size * bits) / 8] }) // prettier-ignore
  graph.input = graph.input.map(value => (names.has(value.name) ? coded(value.name) : value))
  graph.output = graph.output.map(value => (names.has(value.name) ? coded(value.name) : value))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !names.has(name))
  const scale = (part: 'keys' | 'values') => valueInfo({ name: DOORS.scales(index, part), dtype: 'f32', shape: [keyHeads * size] })
  graph.input.push(scale('keys'), scale('values'))
}

/** What is put before and behind a node. */
interface Around {
  readonly before: readonly NodeProto[]
  readonly behind: readonly NodeProto[]
}

const taken = (builder: GraphBuilder, work: () => void): readonly NodeProto[] => {
  const from = builder.nodes.length
  work()
  return builder.nodes.slice(from)
}

const give = (graph: GraphProto, builder: GraphBuilder, value: string, name: string): void => {
  builder.rename(builder.op('Identity', [value]), name)
  graph.output.push(create(ValueInfoProtoSchema, { name }))
}

const editFused = (graph: GraphProto, node: NodeProto, layer: GraphLayer, builder: GraphBuilder, doors: CacheDoors): Around => {
  if (numberOf(node, 'do_rotary', 0) && !node.input[SLOTS.positions]) {
    if (!graph.input.some(({ name }) => name === DOORS.positions))
      graph.input.push(valueInfo({ name: DOORS.positions, dtype: 'i64', shape: ['batch_size', 'sequence_length'] }))
    wire(node, SLOTS.positions, DOORS.positions)
  }
  const bias = DOORS.bias(layer.index)
  graph.input.push(freeInput(bias, layer.dtype === 'float16' ? 'f16' : 'f32'))
  const before = taken(builder, () => {
    const own = node.input[SLOTS.bias]
    wire(node, SLOTS.bias, own ? builder.op('Add', [own, bias]) : bias)
    if (doors.observed) give(graph, builder, fusedQueries(builder, node, layer), DOORS.queries(layer.index))
  })
  if (doors.bits) asCodes(graph, node, layer, doors.bits)
  return { before, behind: [] }
}

const editPlain = (
  graph: GraphProto,
  { product, softmax }: Extract<AttentionNodes, { kind: 'plain' }>,
  layer: GraphLayer,
  builder: GraphBuilder,
  doors: CacheDoors,
): Around => {
  const bias = DOORS.bias(layer.index)
  graph.input.push(freeInput(bias, 'f32'))
  const before = taken(builder, () => {
    const scores = softmax.input[0]
    softmax.input[0] = builder.op('Add', [scores, layer.dtype === 'float16' ? builder.op('CastLike', [bias, scores]) : bias])
    if (doors.observed) give(graph, builder, product.input[0], DOORS.queries(layer.index))
  })
  const behind = taken(builder, () => {
    if (doors.observed) give(graph, builder, softmax.output[0], DOORS.shares(layer.index))
  })
  return { before, behind }
}

/**
 * A decoder's graph that can be told which entries are hidden, at which positions tokens stand, and to keep keys and values as codes, and that
 * shows its queries: bytes in, bytes out, no weight is touched. Layers that attend in another way stay as they are; of those codes are asked of
 * that cannot have them, nothing is made: see `attentionNodes` first.
 */
export const withCacheDoors = (bytes: Uint8Array, layers: readonly GraphLayer[], doors: CacheDoors = {}): Uint8Array => {
  const model = fromBinary(ModelProtoSchema, bytes)
  const graph = model.graph!
  const builder = graphBuilder('tersor_cache_')
  const around = new Map<NodeProto, Around>()
  attentionNodes(graph, layers).forEach((nodes, i) => {
    if (nodes?.kind === 'fused') around.set(nodes.node, editFused(graph, nodes.node, layers[i], builder, doors))
    if (nodes?.kind === 'plain') around.set(nodes.softmax, editPlain(graph, nodes, layers[i], builder, doors))
  })
  graph.node = graph.node.flatMap(node => [...(around.get(node)?.before ?? []), node, ...(around.get(node)?.behind ?? [])])
  graph.initializer.push(...builder.constants)
  return toBinary(ModelProtoSchema, model)
}
