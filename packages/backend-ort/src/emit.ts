import { fromBlocked, toBlocked } from './blocks.js'
import type { Graph } from './graph.js'
import { sameShape, sizeOf } from './shapes.js'
import type { Skeleton } from './trace-key.js'
import type { Operand, TraceNode } from './trace-types.js'

/** The name of every value, in the layouts it exists in; other layouts and shapes are made when they are asked for. */
interface Naming {
  plain(operand: Operand): string
  blocked(operand: Operand): string
  isBlocked(operand: Operand): boolean
  set(node: TraceNode, name: string, blocked: boolean): void
}

/** The node behind an operand that is used in the shape it has. */
function producerOf(operand: Operand): TraceNode | null {
  const { node } = operand.value
  return node !== null && sameShape(node.shape, operand.shape) ? node : null
}

function memo(): (key: string, make: () => string) => string {
  const made = new Map<string, string>()
  return (key, make) => {
    const name = made.get(key) ?? make()
    made.set(key, name)
    return name
  }
}

function createNaming(graph: Graph, skeleton: Skeleton, inputNames: readonly string[], block: number): Naming {
  const plainNames = new Map<TraceNode, string>()
  const blockedNames = new Map<TraceNode, string>()
  const [views, reordered] = [memo(), memo()]
  const plainOf = (node: TraceNode): string => {
    const name = plainNames.get(node) ?? fromBlocked(graph, blockedNames.get(node)!, node.shape)
    plainNames.set(node, name)
    return name
  }
  const plain = (operand: Operand): string => {
    const { node } = operand.value
    if (node === null) return inputNames[skeleton.slotOf(operand)]
    if (producerOf(operand)) return plainOf(node)
    return views(`${node.index}@${operand.shape}`, () => graph.reshape(plainOf(node), operand.shape))
  }
  return {
    plain,
    blocked(operand) {
      const node = producerOf(operand)
      const known = node === null ? undefined : blockedNames.get(node)
      if (known !== undefined) return known
      const x = plain(operand)
      const name = reordered(x, () => toBlocked(graph, x, operand.shape, block))
      if (node !== null && operand.shape[3] >= block) blockedNames.set(node, name)
      return name
    },
    isBlocked: operand => blockedNames.has(producerOf(operand)!),
    set: (node, name, blocked) => void (blocked ? blockedNames : plainNames).set(node, name),
  }
}

/** Whether an elementwise node can stay in the blocked layout: its operands are there already, or single numbers. */
function staysBlocked(node: TraceNode, naming: Naming): boolean {
  if (node.elementwise !== true || node.dtype !== 'float32' || node.shape.length !== 4) return false
  const fits = (input: Operand) => sizeOf(input.shape) === 1 || (sameShape(input.shape, node.shape) && naming.isBlocked(input))
  return node.inputs.every(fits) && node.inputs.some(input => sizeOf(input.shape) !== 1)
}

function emitNode(graph: Graph, node: TraceNode, naming: Naming, block: number): void {
  if (block > 1 && node.emitBlocked !== undefined) {
    const [first, ...others] = node.inputs
    const x = naming.blocked(first)
    naming.set(node, node.emitBlocked(graph, [x, ...others.map(input => naming.plain(input))]), true)
  } else if (block > 1 && staysBlocked(node, naming)) {
    const names = node.inputs.map(input => (naming.isBlocked(input) ? naming.blocked(input) : naming.plain(input)))
    naming.set(node, node.emit(graph, names), true)
  } else naming.set(node, node.emit(graph, node.inputs.map(naming.plain)), false)
}

/** Writes the nodes into a graph and gives the names of the outputs; with a block of 1 no blocked layout is used. */
export function emitTrace(
  graph: Graph,
  skeleton: Skeleton,
  nodes: readonly TraceNode[],
  outputs: readonly TraceNode[],
  inputNames: readonly string[],
  block = 1,
): string[] {
  const naming = createNaming(graph, skeleton, inputNames, block)
  for (const node of nodes) emitNode(graph, node, naming, block)
  const used = new Set(inputNames)
  return outputs.map(node => {
    const name = naming.plain({ value: node.value, shape: node.shape, dtype: node.dtype })
    const unique = used.has(name) ? graph.op('Identity', [name]) : name
    used.add(unique)
    return unique
  })
}
