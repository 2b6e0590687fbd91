import type { GraphBuilder } from './build.js'
import { domainFor, OPSETS } from './forms/dequantize.js'
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

/** A line of 256 steps: value = scale · (code − zero). */
export interface InputGrid {
  readonly scale: number
  readonly zero: number
}

/** 256 steps between two values, 0 among them. */
export const gridOfRange = ([lowest, highest]: InputRange): InputGrid => {
  const [low, high] = [Math.min(0, lowest), Math.max(0, highest)]
  const scale = (high - low) / 255 || 1
  return { scale, zero: Math.round(-low / scale) }
}

type Rounding = InputGrid & { readonly float: 'f32' | 'f16'; readonly opset: number }

/** x rounded to a grid, and back: QuantizeLinear and DequantizeLinear. */
const roundInput = (graph: GraphBuilder, x: string, { scale, zero, float, opset }: Rounding): string => {
  const grid = [graph.constant(float, [], [scale]), graph.constant('u8', [], [zero])]
  const domain = domainFor(float === 'f16' ? OPSETS.half : OPSETS.tensor, opset)
  return graph.op('DequantizeLinear', [graph.op('QuantizeLinear', [x, ...grid], { domain }), ...grid], { domain })
}

export interface Replacing {
  readonly replacements: ReadonlyMap<string, Replacement>
  /** Inputs to round, by the weight that they meet. */
  readonly grids: ReadonlyMap<string, InputGrid>
  /** What the graph computes in where a weight is asked for. */
  readonly floatOf: (weight: string) => 'f32' | 'f16'
  /** The version of ONNX's operators in the graph. */
  readonly opset: number
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
  { replacements, grids, floatOf, opset }: Replacing,
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
    const grid = USED_AS_WEIGHT.includes(node.opType) ? grids.get(weight) : undefined
    const x = grid ? roundInput(graph, node.input[0], { ...grid, float: floatOf(weight), opset }) : node.input[0]
    const replacement = replacements.get(weight)
    if (replacement?.asProduct) replaceProduct(graph, node, x, replacement)
    take()
    if (replacement?.asProduct) continue
    if (x !== node.input[0]) node.input[0] = x
    result.push(node)
    if (grid && opset < OPSETS.axis) addBiasBehind(graph, node)
    take()
  }
  return result
}

const USED_AS_WEIGHT: readonly string[] = ['MatMul', 'Gemm', 'Conv']
