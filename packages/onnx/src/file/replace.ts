import { floatOf } from './attributes.js'
import type { GraphBuilder } from './build.js'
import { OPSETS } from './forms/dequantize.js'
import type { Stored } from './forms/stored.js'
import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'
import type { OnnxTensor } from './tensors.js'
import { inputSlot, weightUses, type WeightUse } from './uses.js'

/** What becomes of one weight. */
export interface Replacement {
  readonly stored: Stored
  /** Whether the nodes that multiply by it are replaced too; otherwise only the weight is computed anew. */
  readonly asProduct: boolean
}

/** Writes the nodes that round a value, and gives the name of what they make. */
export type Round = (graph: GraphBuilder, x: string) => string

export interface Replacing {
  readonly replacements?: ReadonlyMap<string, Replacement>
  /** How inputs are rounded, by the sites that they meet. */
  readonly rounded?: ReadonlyMap<string, Round>
  /** The version of ONNX's operators in a graph that is written for others. */
  readonly opset?: number
}

/** x · Wᵀ + bias in the place of a node. */
const replaceProduct = (graph: GraphBuilder, node: NodeProto, x: string, { stored }: Replacement): void => {
  const product = stored.product(graph, x)
  if (node.name) graph.nodes[graph.nodes.length - 1].name = node.name // sites are known by it
  const bias = node.input[2]
  graph.rename(bias ? graph.op('Add', [product, bias]) : product, node.output[0])
}

/** How a bias stands to be added to what a node gives; a factor before it stays with the node. */
const BIASES: Readonly<Record<string, (graph: GraphBuilder, node: NodeProto) => string | undefined>> = {
  Conv: (graph, { input }) => graph.op('Reshape', [input[2], graph.int64([1, -1, 1, 1])]),
  Gemm: (_graph, node) => (floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1 ? node.input[2] : undefined),
}

/**
 * Adds the bias of a node behind it. ONNX Runtime 1.30 puts biases of nodes with rounded inputs on a grid of their own, by operators that
 * graphs before version 13 do not have, and then refuses its own work.
 */
const addBiasBehind = (graph: GraphBuilder, node: NodeProto): void => {
  const bias = node.input[2] ? BIASES[node.opType]?.(graph, node) : undefined
  if (bias === undefined) return
  const [output] = node.output
  node.input.length = 2
  node.output[0] = `${output}_without_bias`
  graph.rename(graph.op('Add', [node.output[0], bias]), output)
}

/** The first use of each node that can have its input rounded or be replaced. */
const usesByNode = (graph: GraphProto, tensors: readonly OnnxTensor[]): ReadonlyMap<NodeProto, WeightUse> =>
  new Map(
    weightUses(graph, tensors)
      .filter(({ unseen }) => unseen === undefined)
      .map(use => [use.node, use]),
  )

/** The nodes of a graph with its weights replaced, in an order that runs; `builder` gives names and constants. */
export const replaceNodes = (
  graph: GraphProto,
  tensors: readonly OnnxTensor[],
  builder: GraphBuilder,
  { replacements = new Map(), rounded = new Map(), opset = Infinity }: Replacing,
): NodeProto[] => {
  const uses = usesByNode(graph, tensors)
  const result: NodeProto[] = []
  let taken = 0
  const take = (): void => {
    result.push(...builder.nodes.slice(taken))
    taken = builder.nodes.length
  }
  for (const [name, { stored, asProduct }] of replacements) {
    if (asProduct) continue
    const value = stored.value!(builder)
    if (value !== name) builder.rename(value, name)
  }
  take()
  for (const node of graph.node) {
    const use = uses.get(node)
    if (use) {
      const round = rounded.get(use.name)
      const x = round ? round(builder, use.input) : use.input
      const replacement = replacements.get(use.weight.name)
      if (replacement?.asProduct) replaceProduct(builder, node, x, replacement)
      take()
      if (replacement?.asProduct) continue
      if (round) node.input[inputSlot(use.slot)] = x
      result.push(node)
      if (round && opset < OPSETS.axis) addBiasBehind(builder, node)
      take()
    } else result.push(node)
  }
  return result
}
