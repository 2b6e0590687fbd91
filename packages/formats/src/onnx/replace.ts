import type { GraphBuilder } from './build.js'
import type { Stored } from './forms/stored.js'
import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'
import { isProduct } from './uses.js'

/** Lowest and highest value of a site's input. */
export type InputRange = readonly [lowest: number, highest: number]

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

/** x rounded to 256 steps between two values, and back: QuantizeLinear and DequantizeLinear. */
const roundInput = (graph: GraphBuilder, x: string, [lowest, highest]: InputRange, float: 'f32' | 'f16'): string => {
  const [low, high] = [Math.min(0, lowest), Math.max(0, highest)]
  const step = (high - low) / 255 || 1
  const grid = [graph.constant(float, [], [step]), graph.constant('u8', [], [Math.round(-low / step)])]
  return graph.op('DequantizeLinear', [graph.op('QuantizeLinear', [x, ...grid]), ...grid])
}

export interface Replacing {
  readonly replacements: ReadonlyMap<string, Replacement>
  /** Inputs to round, by the weight that they meet. */
  readonly ranges: ReadonlyMap<string, InputRange>
  /** What the graph computes in where a weight is asked for. */
  readonly floatOf: (weight: string) => 'f32' | 'f16'
}

/** x · Wᵀ + bias in the place of a node. */
const replaceProduct = (graph: GraphBuilder, node: NodeProto, x: string, { stored }: Replacement): void => {
  const product = stored.product(graph, x)
  if (node.name) graph.nodes[graph.nodes.length - 1].name = node.name // sites are known by it
  const bias = node.input[2]
  graph.rename(bias ? graph.op('Add', [product, bias]) : product, node.output[0])
}

/** The nodes of a graph with its weights replaced, in an order that runs; `graph` gives names and constants. */
export const replaceNodes = (
  nodes: readonly NodeProto[],
  graph: GraphBuilder,
  { replacements, ranges, floatOf }: Replacing,
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
    const range = ranges.get(weight)
    const x = range && USED_AS_WEIGHT.includes(node.opType) ? roundInput(graph, node.input[0], range, floatOf(weight)) : node.input[0]
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
