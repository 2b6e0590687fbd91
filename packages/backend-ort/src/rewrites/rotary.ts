import { sameShape, sliceKey } from '../shapes.js'
import { pendingNode, sameOperand } from '../trace.js'
import type { Operand, Recorder, TraceNode } from '../trace-types.js'

/** A half of the last axis, times a table. */
interface Turned {
  readonly half: TraceNode
  readonly table: Operand
}

/** half · table, where the half is a pending slice. */
function turned(operand: Operand): Turned | null {
  const product = pendingNode(operand, 'Multiply')
  if (product === null) return null
  const [first, second] = product.inputs
  const half = pendingNode(first, 'Slice')
  return half === null ? null : { half, table: second }
}

/** Whether a slice of x takes the half of the last axis that begins here. */
const takesHalf = ({ attributes }: TraceNode, { shape }: Operand, begin: number): boolean =>
  attributes === sliceKey([...shape.slice(0, -1).map(() => 0), begin], [...shape.slice(0, -1), shape.at(-1)! / 2])

interface Rotation {
  readonly x: Operand
  readonly cosine: Operand
  readonly sine: Operand
}

/** Recognises (a·c − b·s, b·c + a·s) over the halves a and b of x, in either order of the sum. */
function match(first: Operand, second: Operand): Rotation | null {
  const difference = pendingNode(first, 'Sub')
  const sum = pendingNode(second, 'Add')
  if (difference === null || sum === null) return null
  const [ac, bs] = difference.inputs.map(turned)
  const terms = sum.inputs.map(turned)
  if (!ac || !bs) return null
  const as = terms.find(term => term?.half === ac.half)
  const bc = terms.find(term => term?.half === bs.half)
  if (!as || !bc || !sameOperand(ac.table, bc.table) || !sameOperand(bs.table, as.table)) return null
  const [x, other] = [ac.half.inputs[0], bs.half.inputs[0]]
  const halves = sameOperand(x, other) && takesHalf(ac.half, x, 0) && takesHalf(bs.half, x, x.shape.at(-1)! / 2)
  return halves ? { x, cosine: ac.table, sine: bs.table } : null
}

/** The rotation of queries and keys by their positions, as one operator over (batch, heads, tokens, size); tables: (tokens, size / 2). */
export function rewriteRotary(recorder: Recorder, parts: readonly Operand[], axis: number): Operand | null {
  const [first, second] = parts
  if (parts.length !== 2 || axis !== 3 || first.shape.length !== 4) return null
  const rotation = match(first, second)
  if (rotation === null) return null
  const { x, cosine, sine } = rotation
  const table = [x.shape[2], x.shape[3] / 2]
  if (!sameShape(cosine.shape, table) || !sameShape(sine.shape, table)) return null
  return recorder.record({
    op: 'Rotary',
    inputs: [x, cosine, sine],
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [name, c, s]) => graph.microsoft('RotaryEmbedding', [name, graph.int64([0]), c, s]),
  })
}
