import { clone } from '@bufbuild/protobuf'
import { freeName } from '@tersor/formats/internal/files/free-name'
import type { Axes } from '@tersor/models/internal/imported/couplings/axes'
import { couplingsOf } from '@tersor/models/internal/imported/couplings/couplings-of'
import { countCut, extentOf, isCut, type Count, type NewShapes } from '@tersor/models/internal/imported/couplings/cut-extents'
import type { Labels } from '@tersor/models/internal/imported/couplings/label-nodes'
import { fromIntegers, type Shape } from '@tersor/tensor'
import { tensorHeader } from '../file/build.js'
import { tensorTypeOf } from '../file/model.js'
import type { Onnx } from '../file/open.js'
import { ModelProtoSchema, type GraphProto, type NodeProto } from '../file/schema/onnx-ml_pb.js'
import { tensorOf, type OnnxTensor } from '../file/tensors.js'
import { labelGraph } from './label-graph.js'

/** Rewrites what a node says of extents that changed; `constant` stores numbers and gives their name. */
type Rewrite = (node: NodeProto, of: Rewriting) => void
interface Rewriting {
  readonly labels: Labels
  readonly count: Count
  constant(name: string, numbers: readonly number[]): string
}

const rewriteReshape: Rewrite = (node, { labels, count, constant }) => {
  const shape = labels.numbers(node.input[1])
  const axes = labels.values.get(node.output[0])
  if (!shape || !axes?.some(axis => isCut(axis, count))) return
  node.input[1] = constant(
    node.input[1],
    shape.map((extent, i) => (extent > 0 && isCut(axes[i], count) ? extentOf(axes[i], count)! : extent)),
  )
}

const rewriteConvolution: Rewrite = (node, { labels, count }) => {
  const group = node.attribute.find(({ name }) => name === 'group')
  const channels = labels.values.get(node.input[0])?.[1]
  if (group && group.i > 1n && channels && isCut(channels, count)) group.i = BigInt(extentOf(channels, count)!)
}

const REWRITES: Readonly<Record<string, Rewrite>> = { Reshape: rewriteReshape, Conv: rewriteConvolution }

/** What a graph declares of values: those whose extents changed are told by it no more, and weights among its inputs have their new ones. */
const declare = (graph: GraphProto, { values }: Labels, shapes: NewShapes, count: Count): void => {
  const isSame = (axes: Axes | undefined): boolean => !axes?.some(axis => isCut(axis, count))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => isSame(values.get(name)) && !shapes.has(name))
  for (const input of graph.input) {
    const shape = shapes.get(input.name)
    tensorTypeOf(input)?.shape?.dim.forEach((dim, axis) => {
      if (shape) dim.value = { case: 'dimValue', value: BigInt(shape[axis]) }
    })
  }
}

/** An initializer of another shape, whose numbers are those of the store. */
const resized = (tensor: OnnxTensor, shape: Shape | undefined): OnnxTensor => {
  if (!shape) return tensor
  const { name, dtype, stored, attributes } = tensor
  const proto = tensorHeader(name, { dtype: dtype!, shape })
  return { name, shape, dtype: dtype!, proto, stored: stored ?? 'float', ...(attributes ? { attributes } : {}) }
}

/**
 * The graph around weights that were cut: constants that hold an extent are written anew, depthwise convolutions have as many groups as channels, and
 * nothing is declared of values that changed. The numbers of weights with a new shape are those of `params`, which the caller brings.
 * Throws BAD_DATA for shapes that no choice of units gives.
 */
export const resizeGraph = (onnx: Onnx, shapes: NewShapes, params: Onnx['params'] = onnx.params): Onnx => {
  if (shapes.size === 0) return Object.freeze({ ...onnx, params })
  const labels = labelGraph(onnx)
  const count = countCut(labels, couplingsOf(labels), name => onnx.params.info(name).shape, shapes)
  const model = clone(ModelProtoSchema, onnx.model)
  const graph = model.graph!
  const taken = new Set([...labels.values.keys(), ...onnx.tensors.map(({ name }) => name)])
  const added: OnnxTensor[] = []
  const constant: Rewriting['constant'] = (name, numbers) => {
    const values = fromIntegers(numbers, 'i64', [numbers.length])
    const called = freeName(`${name}_cut`, taken)
    taken.add(called)
    const proto = tensorHeader(called, values)
    proto.rawData = values.bytes as Uint8Array<ArrayBuffer>
    added.push(tensorOf(proto))
    return called
  }
  for (const node of graph.node) if (node.domain === '') REWRITES[node.opType]?.(node, { labels, count, constant })
  declare(graph, labels, shapes, count)
  const tensors = [...onnx.tensors.map(tensor => resized(tensor, shapes.get(tensor.name))), ...added]
  graph.initializer = tensors.map(({ proto }) => proto)
  return Object.freeze({ ...onnx, model, graph, tensors, params })
}
