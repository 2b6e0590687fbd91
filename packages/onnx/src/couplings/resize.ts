import { clone } from '@bufbuild/protobuf'
import { freeName } from '@tersor/formats/internal/files/free-name'
import type { Axes } from '@tersor/models/internal/imported/couplings/axes'
import { couplingsOf } from '@tersor/models/internal/imported/couplings/couplings-of'
import { countCut, extentOf, isCut, type Count, type NewShapes } from '@tersor/models/internal/imported/couplings/cut-extents'
import type { Labels } from '@tersor/models/internal/imported/couplings/label-nodes'
import { fromFloat32, fromIntegers, type Shape } from '@tersor/tensor'
import { tensorHeader } from '../file/build.js'
import { tensorTypeOf } from '../file/model.js'
import type { Onnx } from '../file/open.js'
import { ModelProtoSchema, type GraphProto, type NodeProto } from '../file/schema/onnx-ml_pb.js'
import { tensorOf, type OnnxTensor } from '../file/tensors.js'
import { labelGraph } from './label-graph.js'
import { copyOf, rewriteNorm, REWRITES, type Rewriting } from './rewrite.js'

/** What a graph declares of values: those whose extents changed are told by it no more, inputs and outputs with their new ones. */
const declare = (graph: GraphProto, { values }: Labels, shapes: NewShapes, count: Count): void => {
  const isSame = (axes: Axes | undefined): boolean => !axes?.some(axis => isCut(axis, count))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => isSame(values.get(name)) && !shapes.has(name))
  for (const each of [...graph.input, ...graph.output]) {
    const shape = shapes.get(each.name) ?? values.get(each.name)?.map(axis => (isCut(axis, count) ? extentOf(axis, count) : undefined))
    tensorTypeOf(each)?.shape?.dim.forEach((dim, axis) => {
      if (shape?.[axis] !== undefined) dim.value = { case: 'dimValue', value: BigInt(shape[axis]) }
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

/** Places for what a graph needs besides: constants of other numbers, and nodes that give them. */
const additions = (graph: GraphProto, names: Iterable<string>) => {
  const taken = new Set(names)
  const constants: OnnxTensor[] = []
  const nodes = new Map<NodeProto, NodeProto[]>()
  const nameIn = (name: string): string => {
    const called = freeName(`${name}_cut`, taken)
    taken.add(called)
    return called
  }
  const constant: Rewriting['constant'] = (name, numbers, dtype) => {
    const values = dtype ? fromFloat32(numbers, dtype, []) : fromIntegers(numbers, 'i64', [numbers.length])
    const proto = tensorHeader(nameIn(name), values)
    proto.rawData = values.bytes as Uint8Array<ArrayBuffer>
    constants.push(tensorOf(proto))
    return proto.name
  }
  const copy: Rewriting['copy'] = (made, asking, change) => {
    const maker = graph.node.find(({ output }) => output.includes(made))
    if (!maker) return undefined
    const copied = copyOf(maker, nameIn)
    change(copied)
    nodes.set(asking, [...(nodes.get(asking) ?? []), copied])
    return copied.output[maker.output.indexOf(made)]
  }
  return { constants, constant, copy, inPlace: () => graph.node.flatMap(node => [...(nodes.get(node) ?? []), node]) }
}

/**
 * The graph around weights that were cut: constants that hold an extent are written anew, convolutions and attention have as many groups and heads
 * as there are, norms their ε, and nothing is declared of values that changed. The numbers of weights with a new shape are those of `params`, which the caller brings.
 * Throws BAD_DATA for shapes that no choice of units gives.
 */
export const resizeGraph = (onnx: Onnx, shapes: NewShapes, params: Onnx['params'] = onnx.params): Onnx => {
  if (shapes.size === 0) return Object.freeze({ ...onnx, params })
  const labels = labelGraph(onnx)
  const count = countCut(labels, couplingsOf(labels), name => onnx.params.info(name).shape, shapes)
  const model = clone(ModelProtoSchema, onnx.model)
  const graph = model.graph!
  const { constants, inPlace, ...places } = additions(graph, [...labels.values.keys(), ...onnx.tensors.map(({ name }) => name), ...onnx.graph.node.map(({ name }) => name)]) // prettier-ignore
  const rewriting: Rewriting = { labels, count, ...places }
  const cloned = new Map(onnx.graph.node.map((node, i) => [node, graph.node[i]] as const))
  for (const norm of new Map(labels.norms.map(each => [each.node, each] as const)).values())
    rewriteNorm(norm, cloned.get(norm.node)!, rewriting)
  for (const node of graph.node) if (Object.hasOwn(REWRITES, node.opType)) REWRITES[node.opType](node, rewriting)
  graph.node = inPlace()
  declare(graph, labels, shapes, count)
  const tensors = [...onnx.tensors.map(tensor => resized(tensor, shapes.get(tensor.name))), ...constants]
  graph.initializer = tensors.map(({ proto }) => proto)
  return Object.freeze({ ...onnx, model, graph, tensors, params })
}
