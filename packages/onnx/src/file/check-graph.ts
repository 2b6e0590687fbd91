import { badFile } from '@tersor/formats/internal/files/bad-file'
import { dtypeOf } from './data-types.js'
import { tensorTypeOf } from './model.js'
import { innerGraphs } from './subgraphs.js'
import { TensorProto_DataType as Type, type GraphProto, type NodeProto, type ValueInfoProto } from './schema/onnx-ml_pb.js'

const quoted = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name)

const nodeName = ({ name, opType }: NodeProto): string => `${quoted(opType)}${name ? ` (${quoted(name)})` : ''}`

const BROKEN = 'The graph is damaged: export it again.'

/** Names of the values that a graph has before any node ran. */
const given = ({ input, initializer, sparseInitializer }: GraphProto): string[] => [
  ...[...input, ...initializer].map(({ name }) => name),
  ...sparseInitializer.map(({ values }) => values?.name ?? ''),
]

/** Everything that a node waits for, what the graphs inside of it ask the outer ones for too. */
const asked = (node: NodeProto): readonly string[] => [
  ...node.input.filter(name => name !== ''),
  ...innerGraphs(node).flatMap(askedOutside),
]

const askedOutside = (graph: GraphProto): string[] => {
  const own = new Set([...given(graph), ...graph.node.flatMap(({ output }) => output)])
  return [...graph.node.flatMap(asked), ...graph.output.map(({ name }) => name)].filter(name => !own.has(name))
}

/** Throws where a name stands for two values. */
const checkUnique = (graph: GraphProto): void => {
  const made = new Set(graph.input.map(({ name }) => name))
  for (const { name } of graph.initializer) made.add(name) // inputs may have one as their default
  for (const node of graph.node) {
    for (const name of node.output) {
      if (name === '') continue
      if (made.has(name)) throw badFile(`Node ${nodeName(node)} makes ${quoted(name)}, which is there already.`, BROKEN, { name })
      made.add(name)
    }
    innerGraphs(node).forEach(checkUnique)
  }
}

/** Which nodes never run, and the names that are known once all others have; each value is looked at once. */
const runAll = ({ node }: GraphProto, known: Set<string>): ReadonlyMap<NodeProto, Set<string>> => {
  const missing = new Map<NodeProto, Set<string>>()
  const waiting = new Map<string, NodeProto[]>()
  const ready: NodeProto[] = []
  for (const each of node) {
    const names = new Set(asked(each).filter(name => !known.has(name)))
    if (names.size === 0) ready.push(each)
    else missing.set(each, names)
    for (const name of names) {
      const others = waiting.get(name)
      if (others) others.push(each)
      else waiting.set(name, [each])
    }
  }
  for (let done = ready.pop(); done; done = ready.pop())
    for (const name of done.output) {
      known.add(name)
      for (const each of waiting.get(name) ?? []) {
        const names = missing.get(each)
        if (names?.delete(name) && names.size === 0) {
          missing.delete(each)
          ready.push(each)
        }
      }
    }
  return missing
}

/** Throws where a node waits for what nothing makes, or for what only it leads to. */
const checkOrder = (graph: GraphProto, outer: ReadonlySet<string>): void => {
  const known = new Set([...outer, ...given(graph)])
  const made = new Set(graph.node.flatMap(({ output }) => output))
  const stuck = [...runAll(graph, known)].flatMap(([node, names]) => [...names].map(name => ({ node, name })))
  const first = stuck.find(({ name }) => !made.has(name)) ?? stuck[0]
  if (first) {
    const { node, name } = first
    const what = made.has(name) ? 'which waits for it in turn' : 'which nothing makes'
    throw badFile(`Node ${nodeName(node)} asks for ${quoted(name)}, ${what}.`, BROKEN, { name })
  }
  const lost = graph.output.find(({ name }) => !known.has(name))
  if (lost) throw badFile(`The graph gives ${quoted(lost.name)}, which nothing makes.`, BROKEN, { name: lost.name })
  for (const node of graph.node) innerGraphs(node).forEach(inner => checkOrder(inner, known))
}

/** Element types that tensors of a running graph may have besides those of parameters. */
const OTHER_TYPES: readonly number[] = [Type.STRING, Type.BOOL, Type.COMPLEX64, Type.COMPLEX128, Type.FLOAT8E4M3FNUZ, Type.FLOAT8E5M2FNUZ]

const checkValue = (what: 'input' | 'output', declared: ValueInfoProto): void => {
  const { name } = declared
  const tensor = tensorTypeOf(declared)
  if (!tensor) return // sequences and maps say what they are themselves
  if (dtypeOf(tensor.elemType) === undefined && !OTHER_TYPES.includes(tensor.elemType))
    throw badFile(`The graph's ${what} ${quoted(name)} has elements of type ${tensor.elemType}.`, BROKEN, { name })
  const negative = tensor.shape?.dim.find(({ value }) => value.case === 'dimValue' && value.value < 0n && value.value !== -1n)
  if (negative) throw badFile(`The graph's ${what} ${quoted(name)} has an extent of ${String(negative.value.value)}.`, BROKEN, { name })
}

/**
 * Throws BAD_FILE for a graph that no runtime can run: a node waits for what nothing makes or for itself, two values have one name, an
 * input or output has no element type, or nothing comes out.
 */
export const checkGraph = (graph: GraphProto): void => {
  if (graph.output.length === 0) throw badFile('The graph gives no output.', BROKEN)
  checkUnique(graph)
  checkOrder(graph, new Set())
  graph.input.forEach(each => checkValue('input', each))
  graph.output.forEach(each => checkValue('output', each))
}
