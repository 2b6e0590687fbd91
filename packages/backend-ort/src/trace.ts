import { sameShape } from './shapes.js'
import type { DType, NodeSpec, Operand, Recorder, Shape, TraceNode, Value } from './trace-types.js'

/** The kernels recorded since the last flush, in order. */
export interface Trace extends Recorder {
  length(): number
  /** Hands over all nodes and starts anew. */
  drain(): TraceNode[]
}

/** A value that no tensor owns yet: rewrites make many that stay so, and those must not become outputs. */
export function newValue(dtype: DType, node: TraceNode | null = null): Value {
  return { values: null, dtype, refCount: 0, owned: false, node, pins: 0, literal: false }
}

/** A float scalar known while recording, in any shape of one element. */
export function literal(number: number, shape: Shape = []): Operand {
  const value: Value = { ...newValue('float32'), values: Float32Array.of(number), literal: true }
  return { value, shape, dtype: 'float32' }
}

const sameInput = (a: Operand, b: Operand): boolean =>
  sameOperand(a, b) || (isLiteral(a) && isLiteral(b) && sameShape(a.shape, b.shape) && Object.is(numberOf(a), numberOf(b)))
const isLiteral = ({ value }: Operand): boolean => value.literal
const numberOf = ({ value }: Operand): number => (value.values as Float32Array)[0]

/** Whether a node computes just what is to be recorded. */
const computes = (node: TraceNode, { op, attributes = '', inputs, shape, dtype }: NodeSpec): boolean =>
  node.op === op &&
  node.attributes === attributes &&
  node.dtype === dtype &&
  sameShape(node.shape, shape) &&
  node.inputs.length === inputs.length &&
  node.inputs.every((input, at) => sameInput(input, inputs[at]))

export function createTrace(block = 1): Trace {
  let nodes: TraceNode[] = []
  /** Pending nodes by the value they read first: a gradient computes again what its function has. */
  let readers = new Map<Value, TraceNode[]>()
  const readersOf = ([first]: readonly Operand[]): TraceNode[] => {
    if (first === undefined) return []
    const known = readers.get(first.value) ?? []
    readers.set(first.value, known)
    return known
  }
  return {
    block,
    record(spec: NodeSpec): Operand {
      const same = readersOf(spec.inputs)
      const known = same.find(node => computes(node, spec))
      if (known) return { value: known.value, shape: spec.shape, dtype: spec.dtype }
      const value = newValue(spec.dtype)
      const node: TraceNode = { attributes: '', ...spec, value, index: -1, live: false }
      value.node = node
      for (const input of spec.inputs) input.value.pins++
      nodes.push(node)
      same.push(node)
      return { value, shape: spec.shape, dtype: spec.dtype }
    },
    length: () => nodes.length,
    drain() {
      const all = nodes
      nodes = []
      readers = new Map()
      return all
    },
  }
}

/** The pending node behind an operand, if it is of this kind and is used in the shape it has. */
export function pendingNode(operand: Operand, op: string): TraceNode | null {
  const node = operand.value.node
  return node !== null && node.op === op && sameShape(node.shape, operand.shape) ? node : null
}

/** Whether two operands are one value in one shape. */
export const sameOperand = (a: Operand, b: Operand) => a.value === b.value && sameShape(a.shape, b.shape)
