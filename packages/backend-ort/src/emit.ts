import type { Graph } from './graph.js'
import { sameShape } from './shapes.js'
import type { Skeleton } from './skeleton.js'
import type { Operand, TraceNode } from './types.js'

/** Writes the nodes into a graph and gives the names of the outputs; a value used in another shape gets one Reshape. */
export function emitTrace(
  graph: Graph,
  skeleton: Skeleton,
  nodes: readonly TraceNode[],
  outputs: readonly TraceNode[],
  inputNames: readonly string[],
): string[] {
  const names = new Map<TraceNode, string>()
  const views = new Map<string, string>()
  const nameOf = (operand: Operand): string => {
    const producer = operand.value.node
    if (producer === null) return inputNames[skeleton.slotOf(operand)]!
    const plain = names.get(producer)!
    if (sameShape(producer.shape, operand.shape)) return plain
    const key = `${producer.index}@${operand.shape}`
    const view = views.get(key) ?? graph.reshape(plain, operand.shape)
    views.set(key, view)
    return view
  }
  for (const node of nodes) names.set(node, node.emit(graph, node.inputs.map(nameOf)))
  const used = new Set(inputNames)
  return outputs.map(node => {
    const name = names.get(node)!
    const unique = used.has(name) ? graph.op('Identity', [name]) : name
    used.add(unique)
    return unique
  })
}
