import type { GraphBuilder } from './build.js'
import { OPSETS } from './forms/dequantize.js'
import type { Stored } from './forms/stored.js'
import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'
import { isProduct } from './uses.js'

/** What becomes of one weight. */
export interface Replacement {
  readonly stored: Stored
  /** Whether the nodes that multiply by it are replaced too; otherwise only the weight is computed anew. */
  readonly asProduct: boolean
}

/** Every name that the inner graphs of a node ask for. */
export const namesInside = ({ attribute }: NodeProto): readonly string[] =>
  attribute
    .flatMap(({ g, graphs }) => (g ? [g, ...graphs] : graphs))
    .flatMap(({ node, output }) => [...output.map(({ name }) => name), ...node.flatMap(inner => [...inner.input, ...namesInside(inner)])])

/** Names that are asked for by anything but a plain product's second input. */
export const namesOutsideProducts = ({ node, output }: GraphProto): ReadonlySet<string> =>
  new Set([
    ...output.map(({ name }) => name),
    ...node.flatMap(each => [...each.input.filter((_, index) => index !== 1 || !isProduct(each)), ...namesInside(each)]),
  ])

/** Writes the nodes that round a value, and gives the name of what they make. */
export type Round = (graph: GraphBuilder, x: string) => string

export interface Replacing {
  readonly replacements?: ReadonlyMap<string, Replacement>
  /** How inputs are rounded, by the weight that they meet. */
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
  Gemm: (_graph, node) => (isProduct(node) ? node.input[2] : undefined),
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

/** The nodes of a graph with its weights replaced, in an order that runs; `graph` gives names and constants. */
export const replaceNodes = (
  nodes: readonly NodeProto[],
  graph: GraphBuilder,
  { replacements = new Map(), rounded = new Map(), opset = Infinity }: Replacing,
): NodeProto[] => {
  const result: NodeProto[] = []
  let taken = 0
  const take = (): void => {
    result.push(...graph.nodes.slice(taken))
    taken = graph.nodes.length
  }
  for (const [name, { stored, asProduct }] of replacements) {
    if (asProduct) continue
    const value = stored.value!(graph)
    if (value !== name) graph.rename(value, name)
  }
  take()
  for (const node of nodes) {
    const weight = node.input[1]
    const round = USED_AS_WEIGHT.includes(node.opType) ? rounded.get(weight) : undefined
    const x = round ? round(graph, node.input[0]) : node.input[0]
    const replacement = replacements.get(weight)
    if (replacement?.asProduct) replaceProduct(graph, node, x, replacement)
    take()
    if (replacement?.asProduct) continue
    if (x !== node.input[0]) node.input[0] = x
    result.push(node)
    if (round && opset < OPSETS.axis) addBiasBehind(graph, node)
    take()
  }
  return result
}

const USED_AS_WEIGHT: readonly string[] = ['MatMul', 'Gemm', 'Conv']
