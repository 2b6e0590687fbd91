import type { GraphBuilder } from './build.js'
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
const namesInside = ({ attribute }: NodeProto): readonly string[] =>
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
}

/** x · Wᵀ + bias in the place of a node. */
const replaceProduct = (graph: GraphBuilder, node: NodeProto, x: string, { stored }: Replacement): void => {
  const product = stored.product(graph, x)
  const bias = node.input[2]
  graph.rename(bias ? graph.op('Add', [product, bias]) : product, node.output[0])
}

/** The nodes of a graph with its weights replaced, in an order that runs; `graph` gives names and constants. */
export const replaceNodes = (
  nodes: readonly NodeProto[],
  graph: GraphBuilder,
  { replacements = new Map(), rounded = new Map() }: Replacing,
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
  }
  return result
}

const USED_AS_WEIGHT: readonly string[] = ['MatMul', 'Gemm', 'Conv']
