import { hoistConstants } from './constants.js'
import { dtypeOf } from './data-types.js'
import { freeName } from '@tersor/formats/internal/files/free-name'
import { DTYPES } from '@tersor/tensor'
import type { GraphProto, ModelProto, NodeProto, TensorProto } from './schema/onnx-ml_pb.js'
import { innerGraphs } from './subgraphs.js'

/** The domain of ONNX's own operators has two spellings, of which graphs may use either or both. */
const OTHER_SPELLING = 'ai.onnx'

const spell = (each: { domain: string }): void => {
  if (each.domain === OTHER_SPELLING) each.domain = ''
}

const spellNodes = (nodes: readonly NodeProto[]): void =>
  nodes.forEach(node => {
    spell(node)
    innerGraphs(node).forEach(({ node: inner }) => spellNodes(inner))
  })

/** Spells the domain of ONNX's operators in one way everywhere; changes the model. */
const spellDomains = (model: ModelProto): void => {
  model.opsetImport.forEach(spell)
  const versions = new Map(model.opsetImport.map(each => [each.domain, each]))
  model.opsetImport = [...versions.values()]
  spellNodes(model.graph!.node)
  for (const { node } of model.functions) spellNodes(node)
}

/** Names of values that a graph and those inside of it make, once for each that makes one. */
const namesIn = ({ node, initializer, input }: GraphProto): string[] => [
  ...[...initializer, ...input].map(({ name }) => name),
  ...node.flatMap(each => [...each.output, ...innerGraphs(each).flatMap(namesIn)]),
]

/** Names of values, and those of them that several graphs make, each for itself. */
interface Names {
  readonly all: Set<string>
  readonly several: ReadonlySet<string>
}

const namesOf = (graph: GraphProto): Names => {
  const [all, several] = [new Set<string>(), new Set<string>()]
  for (const name of namesIn(graph)) (all.has(name) ? several : all).add(name)
  return { all, several }
}

/** Tensors of fewer axes are biases and bounds, which stay where they are. */
const isWeight = ({ dims, dataType }: TensorProto): boolean => {
  const dtype = dtypeOf(dataType)
  return dims.length >= 2 && dtype !== undefined && DTYPES[dtype].kind === 'float'
}

/** Calls values of a graph by other names, also where graphs inside of it ask for them. */
const rename = ({ node }: GraphProto, names: ReadonlyMap<string, string>): void =>
  node.forEach(each => {
    each.input = each.input.map(name => names.get(name) ?? name)
    innerGraphs(each).forEach(inner => rename(inner, names))
  })

/** Moves the weights of a graph inside of a node into the outer one, whose values the inner one may ask for, under names that nobody has. */
const hoistWeights = (inner: GraphProto, outer: GraphProto, { all, several }: Names): void => {
  inner.node.flatMap(innerGraphs).forEach(each => hoistWeights(each, outer, { all, several }))
  hoistConstants(inner)
  const fixed = new Set([...inner.input, ...inner.output].map(({ name }) => name))
  const names = new Map<string, string>()
  inner.initializer = inner.initializer.filter(tensor => {
    if (fixed.has(tensor.name) || !isWeight(tensor)) return true
    const name = several.has(tensor.name) ? freeName(tensor.name, all) : tensor.name
    all.add(name)
    names.set(tensor.name, name)
    tensor.name = name
    outer.initializer.push(tensor)
    return false
  })
  rename(inner, names)
}

/**
 * Brings a model into the form that everything here reads: one spelling of ONNX's domain, and all matrices and filters, those of Constant
 * nodes and of the graphs inside of If, Loop and Scan too, as initializers of the outermost graph. It computes the same; changes the model.
 */
export const normalise = (model: ModelProto): void => {
  spellDomains(model)
  const graph = model.graph!
  hoistConstants(graph)
  const inner = graph.node.flatMap(innerGraphs)
  if (inner.length === 0) return
  const names = namesOf(graph)
  inner.forEach(each => hoistWeights(each, graph, names))
}
