import { createHash } from 'node:crypto'
import { sameShape } from './shapes.js'
import type { Operand, TraceNode } from './trace-types.js'

/** The structure of a trace, without the values that flow through it. */
export interface Skeleton {
  /** Equal for traces that one compiled graph can serve. */
  readonly key: string
  /** Equal for traces that differ only in shapes and attributes, such as the steps of token-by-token decoding. */
  readonly family: string
  /** The distinct materialised values that are read, each in one shape of use. */
  readonly inputs: readonly Operand[]
  /** Which inputs are literals. */
  readonly literals: readonly number[]
  slotOf(operand: Operand): number
}

const digest = (text: string) => createHash('sha1').update(text).digest('base64')

/** Equal literals share one input. */
const identity = ({ value }: Operand) => (value.literal ? `literal ${(value.values as Float32Array)[0]}` : value)

/** Numbers the nodes and their inputs and writes the structure down. */
export function skeletonOf(nodes: readonly TraceNode[]): Skeleton {
  const inputs: Operand[] = []
  const literals: number[] = []
  const slots = new Map<unknown, Map<string, number>>()
  const slotOf = (operand: Operand): number => {
    const source = identity(operand)
    const shape = `${operand.shape}`
    const byShape = slots.get(source) ?? new Map<string, number>()
    slots.set(source, byShape)
    const known = byShape.get(shape)
    if (known !== undefined) return known
    const slot = inputs.push(operand) - 1
    byShape.set(shape, slot)
    if (operand.value.literal) literals.push(slot)
    return slot
  }
  nodes.forEach((node, index) => (node.index = index))
  let exact = ''
  let loose = ''
  for (const node of nodes) {
    let reads = ''
    let links = ''
    for (const operand of node.inputs) {
      const producer = operand.value.node
      if (producer === null) {
        const before = inputs.length
        const slot = slotOf(operand)
        reads += `,i${slot}`
        links += `,i${slot}`
        if (slot === before) exact += `${operand.dtype}${operand.value.literal ? 'L' : ''}@${operand.shape};`
      } else {
        reads += sameShape(producer.shape, operand.shape) ? `,${producer.index}` : `,${producer.index}@${operand.shape}`
        links += `,${producer.index}`
      }
    }
    const output = node.value.owned ? 'o' : ''
    exact += `${node.op}|${node.attributes}|${node.shape}|${output}${reads}\n`
    loose += `${node.op}${output}${links}\n`
  }
  return { key: digest(exact), family: digest(loose), inputs, literals, slotOf }
}
