import { clone } from '@bufbuild/protobuf'
import { placeOf, type Axis } from '@tersor/models/internal/imported/couplings/axes'
import { extentOf, isCut, type Count } from '@tersor/models/internal/imported/couplings/cut-extents'
import type { DType } from '@tersor/tensor'
import { floatOf, numberOf } from '../file/attributes.js'
import { attribute } from '../file/build.js'
import { NodeProtoSchema, type NodeProto } from '../file/schema/onnx-ml_pb.js'
import type { GraphLabels } from './label-graph.js'
import { sizesOfSplit } from './rules/parts.js'
import type { GraphNorm } from './scope.js'

/** What a graph is made anew from: its labels, how many of each unit stayed, and places for numbers and nodes. */
export interface Rewriting {
  readonly labels: GraphLabels
  readonly count: Count
  /** Stores numbers and gives their name, after one that it is to be called like. */
  constant(name: string, numbers: readonly number[], dtype?: DType): string
  /** Puts a copy of the node that makes a value before the one that asks for it, and gives the name of what it makes. */
  copy(made: string, asking: NodeProto, change: (node: NodeProto) => void): string | undefined
}

/** Rewrites what a node says of extents that changed. */
type Rewrite = (node: NodeProto, of: Rewriting) => void

/** Numbers of a shape, from one on, with the extents that axes have now. */
const shapeNow = (shape: readonly number[], axes: readonly (Axis | undefined)[], count: Count): readonly number[] =>
  shape.map((extent, i) => { const axis = axes[i]; return extent > 0 && axis && isCut(axis, count) ? extentOf(axis, count)! : extent }) // prettier-ignore

/** The shape that a node is given: a constant, or one put together of constants and extents. */
const rewriteShape: Rewrite = (node, { labels, count, constant, copy }) => {
  const axes = labels.values.get(node.output[0])
  if (!axes?.some(axis => isCut(axis, count))) return
  const anew = (name: string, from: number): string => {
    const before = labels.numbers(name)!
    const after = shapeNow(before, axes.slice(from), count)
    return after.every((extent, i) => extent === before[i]) ? name : constant(name, after)
  }
  const { input } = node
  const given = labels.numbers(input[1])
  if (given) return void (input[1] = anew(input[1], axes.length - given.length))
  const made = copy(input[1], node, put => {
    const lengths = put.input.map(name => labels.numbers(name)?.length ?? labels.extents.get(name)?.length ?? 1)
    const rank = lengths.reduce((a, b) => a + b, 0)
    put.input.forEach((name, i) => {
      const from = axes.length - rank + lengths.slice(0, i).reduce((a, b) => a + b, 0)
      if (labels.numbers(name)) put.input[i] = anew(name, from)
    })
  })
  if (made !== undefined) input[1] = made
}

const rewriteSplit: Rewrite = (node, { labels, count, constant }) => {
  const axes = labels.values.get(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', 0), axes.length)
  if (at === undefined || !isCut(axes![at], count)) return
  const parts = node.output.map(name => labels.values.get(name)?.[at])
  const sizes = sizesOfSplit(node, axes![at].extent, labels.numbers)!
  const now = sizes.map((size, i) => (parts[i] ? (extentOf(parts[i], count) ?? size) : size))
  const given = node.attribute.find(({ name }) => name === 'split')
  if (given) given.ints = now.map(BigInt)
  else {
    node.input[1] = constant(node.input[1] || `${node.output[0]}_sizes`, now)
    node.attribute = node.attribute.filter(({ name }) => name !== 'num_outputs')
  }
}

/** A number of an axis' parts among the attributes of a node: as many fewer as positions. */
const rewriteNumber = (node: NodeProto, name: string, axis: Axis | undefined, count: Count): void => {
  const found = node.attribute.find(each => each.name === name)
  if (found && found.i > 0n && axis?.extent && isCut(axis, count))
    found.i = BigInt((Number(found.i) * extentOf(axis, count)!) / axis.extent)
}

const rewriteConvolution: Rewrite = (node, { labels, count }) => {
  const channels = labels.values.get(node.input[0])?.[1]
  if (node.attribute.some(({ name, i }) => name === 'group' && i > 1n)) rewriteNumber(node, 'group', channels, count)
}

const rewriteHeads: Rewrite = (node, { labels, count }) => {
  const { values } = labels
  // what comes out is as wide as the queries that come in, of which keys and values may be a part
  rewriteNumber(node, 'num_heads', values.get(node.output[0])?.at(-1), count)
  rewriteNumber(node, 'kv_num_heads', values.get(node.output[1])?.[1] ?? values.get(node.input[1])?.at(-1), count)
}

export const REWRITES: Readonly<Record<string, Rewrite>> = {
  ...{ Reshape: rewriteShape, Expand: rewriteShape, Split: rewriteSplit, Conv: rewriteConvolution },
  ...{ GroupQueryAttention: rewriteHeads, MultiHeadAttention: rewriteHeads, RotaryEmbedding: rewriteHeads },
}

/** Where an attribute is not there. */
const USUAL_EPSILON = 1e-5

/** ε · old / new of a norm over fewer units: `node` is its node in the graph that is made. */
export const rewriteNorm = ({ axis, input }: GraphNorm, node: NodeProto, { labels, count, constant }: Rewriting): void => {
  if (!isCut(axis, count)) return
  const ratio = axis.extent! / extentOf(axis, count)!
  if (input !== undefined) {
    const [epsilon] = labels.numbers(node.input[input])!
    node.input[input] = constant(node.input[input], [epsilon * ratio], labels.types.get(node.input[input]) ?? 'f32')
    return
  }
  const epsilon = floatOf(node, 'epsilon', USUAL_EPSILON) * ratio
  node.attribute = [...node.attribute.filter(({ name }) => name !== 'epsilon'), attribute('epsilon', { float: epsilon })]
}

/** A copy of a node under other names. */
export const copyOf = (node: NodeProto, nameIn: (name: string) => string): NodeProto => {
  const copied = clone(NodeProtoSchema, node)
  copied.name = nameIn(node.name)
  copied.output = node.output.map(nameIn)
  return copied
}
