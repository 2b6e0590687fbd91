import { clone } from '@bufbuild/protobuf'
import { bytesOf, storeOver, type Parameter, type ParameterInfo, type ParameterStore } from '@tersor/tensor'
import { tensorHeader } from './build.js'
import type { FoundWeight } from './forms/found-weight.js'
import { readWeight } from './forms/read.js'
import { withFolded } from './fold.js'
import type { Onnx } from './open.js'
import { namesInside } from './subgraphs.js'
import { ModelProtoSchema, type GraphProto, type NodeProto } from './schema/onnx-ml_pb.js'
import { freeName } from '@tersor/formats/internal/files/free-name'
import { inlineBytes, type OnnxTensor } from './tensors.js'

/** A weight that a graph holds in parts, and its name. */
interface Weight extends FoundWeight {
  readonly called: string
}

/** Weights by the nodes that have them, and the names of initializers that only these ask for. */
interface Found {
  readonly weights: ReadonlyMap<NodeProto, Weight>
  readonly parts: ReadonlySet<string>
}

/** The weights of a graph's nodes; nodes over the same parts share one. */
const weightsOf = (graph: GraphProto, tensors: readonly OnnxTensor[]): Found => {
  const byName = new Map(tensors.flatMap(tensor => (tensor.dtype ? [[tensor.name, tensor] as const] : [])))
  const find = (name: string | undefined) => (name === undefined ? undefined : byName.get(name))
  const inner = graph.node.flatMap(namesInside)
  const fixed = new Set([...graph.output.map(({ name }) => name), ...inner])
  const found = new Map<NodeProto, FoundWeight>()
  for (const node of graph.node) {
    const weight = readWeight(node, find, graph)
    if (weight && (weight.product || !fixed.has(node.output[0]))) found.set(node, weight)
  }
  const elsewhere = new Set([...fixed, ...graph.node.filter(node => !found.has(node)).flatMap(({ input }) => input)])
  const parts = new Set([...found.values()].flatMap(weight => weight.parts.map(({ name }) => name)).filter(name => !elsewhere.has(name)))
  const gone = new Set([...parts, ...[...found].flatMap(([{ output }, { product }]) => (product ? [] : output))])
  const all = [...graph.input.map(({ name }) => name), ...byName.keys(), ...graph.node.flatMap(({ output }) => output)]
  return { weights: named(found, new Set([...all.filter(name => !gone.has(name)), ...inner])), parts }
}

/** Gives each weight a name that nobody has. */
const named = (found: ReadonlyMap<NodeProto, FoundWeight>, taken: Set<string>): ReadonlyMap<NodeProto, Weight> => {
  const known = new Map<string, Weight>()
  return new Map(
    [...found].map(([node, weight]) => {
      const key = JSON.stringify([node.opType, weight.attributes, ...weight.parts.map(({ name }) => name)])
      const each = known.get(key) ?? { ...weight, called: freeName(weight.name, taken) }
      known.set(key, each)
      taken.add(each.called)
      return [node, each]
    }),
  )
}

/** The nodes of a graph in which weights stand by themselves. */
const nodesWith = (nodes: readonly NodeProto[], weights: ReadonlyMap<NodeProto, Weight>): NodeProto[] => {
  const names = new Map([...weights].flatMap(([node, { product, called }]) => (product ? [] : [[node.output[0], called] as const])))
  return nodes.flatMap(node => {
    const weight = weights.get(node)
    node.input = node.input.map(name => names.get(name) ?? name)
    return weight ? [...(weight.product?.(weight.called) ?? [])] : [node]
  })
}

const storeOf = (
  { params }: Onnx,
  tensors: readonly OnnxTensor[],
  weights: ReadonlyMap<string, Weight>,
  read: ReadWeight,
): ParameterStore => {
  const infoOfWeight = ({ parts, codec, shape }: Weight): ParameterInfo => ({
    ...{ shape, byteLength: parts.reduce((sum, part) => sum + bytesOf(part.dtype!, part.shape), 0) },
    ...(codec === undefined ? { dtype: parts[0].dtype! } : { codec }),
  })
  return storeOver(new Map(tensors.flatMap(({ name, dtype }) => (dtype ? [[name, weights.get(name) ?? name] as const] : []))), {
    info: weight => (typeof weight === 'string' ? params.info(weight) : infoOfWeight(weight)),
    read: (weight, _name, signal) => (typeof weight === 'string' ? params.read(weight, signal ? { signal } : {}) : read(weight, signal)),
    ...(params.close ? { close: params.close } : {}),
  })
}

type ReadWeight = (weight: Weight, signal?: AbortSignal) => Promise<Parameter>

/**
 * The same file with each weight by itself and as it is multiplied by, behind nodes that only move it. What MatMulNBits, DequantizeLinear and Cast hold in parts is
 * one parameter, a tree of codes or plain halves, and the graph multiplies by it as it did before it was compressed. onnxSink writes it as it stood.
 */
export const withTrees = (onnx: Onnx): Onnx => withFolded(withForms(onnx))

const withForms = (onnx: Onnx): Onnx => {
  const model = clone(ModelProtoSchema, onnx.model)
  const graph = model.graph!
  const { weights, parts } = weightsOf(graph, onnx.tensors)
  if (weights.size === 0) return onnx
  const byName = new Map([...weights.values()].map(weight => [weight.called, weight]))
  const tensors: readonly OnnxTensor[] = [
    ...onnx.tensors.filter(({ name }) => !parts.has(name)),
    ...[...byName.values()].map(({ called, shape, dtype, form, attributes }) => ({
      ...{ name: called, shape, dtype, proto: tensorHeader(called, { dtype, shape }) },
      stored: form ?? ('float' as const),
      ...(attributes ? { attributes } : {}),
    })),
  ]
  graph.node = nodesWith(graph.node, weights)
  graph.input = graph.input.filter(({ name }) => !parts.has(name))
  graph.initializer = tensors.map(({ proto }) => proto)
  const read: ReadWeight = async (weight, signal) => {
    return weight.read(
      await Promise.all(weight.parts.map(async part => (await onnx.bytes(part, 0, undefined, signal)) ?? inlineBytes(part))),
    )
  }
  return Object.freeze({ ...onnx, model, graph, tensors, params: storeOf(onnx, tensors, byName, read) })
}
