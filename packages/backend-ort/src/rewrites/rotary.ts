import { unary } from '../kernels/unary.js'
import { sameShape, sliceKey } from '../shapes.js'
import { pendingNode, sameOperand } from '../trace.js'
import type { Operand, Recorder, TraceNode } from '../trace-types.js'

/** A half of the last axis, times a table. */
interface Turned {
  readonly half: TraceNode
  readonly table: Operand
  /** Whether the half is negated. */
  readonly negative: boolean
}

/** half · table or −half · table, where the half is a pending slice. */
function turned(operand: Operand): Turned | null {
  const product = pendingNode(operand, 'Multiply')
  if (product === null) return null
  const [first, table] = product.inputs
  const negated = pendingNode(first, 'Neg')
  const half = pendingNode(negated === null ? first : negated.inputs[0], 'Slice')
  return half === null ? null : { half, table, negative: negated !== null }
}

/** Whether a slice of x takes the half of the last axis that begins here. */
const takesHalf = ({ attributes }: TraceNode, { shape }: Operand, begin: number): boolean =>
  attributes === sliceKey([...shape.slice(0, -1).map(() => 0), begin], [...shape.slice(0, -1), shape.at(-1)! / 2])

interface Rotation {
  readonly x: Operand
  readonly cosine: Operand
  readonly sine: Operand
  /** Whether it turns the other way, as the gradient does. */
  readonly back: boolean
}

/** Two halves of one tensor, times these tables. */
const rotationOf = (a: Turned, b: Turned, cosine: Operand, sine: Operand, back: boolean): Rotation | null => {
  const [x, other] = [a.half.inputs[0], b.half.inputs[0]]
  const halves = sameOperand(x, other) && takesHalf(a.half, x, 0) && takesHalf(b.half, x, x.shape.at(-1)! / 2)
  return halves ? { x, cosine, sine, back } : null
}

/** Recognises (a·c − b·s, b·c + a·s) over the halves a and b of x, in either order of the sum. */
function matchForward(first: Operand, second: Operand): Rotation | null {
  const difference = pendingNode(first, 'Sub')
  const sum = pendingNode(second, 'Add')
  if (difference === null || sum === null) return null
  const [ac, bs] = difference.inputs.map(turned)
  const terms = sum.inputs.map(turned)
  if (!ac || !bs || [ac, bs, ...terms].some(term => term?.negative)) return null
  const as = terms.find(term => term?.half === ac.half)
  const bc = terms.find(term => term?.half === bs.half)
  if (!as || !bc || !sameOperand(ac.table, bc.table) || !sameOperand(bs.table, as.table)) return null
  return rotationOf(ac, bs, ac.table, bs.table, false)
}

/** Recognises the gradient of that, (a·c + b·s, b·c + (−a)·s), with each sum in either order. */
function matchBackward(first: Operand, second: Operand): Rotation | null {
  const [one, two] = [first, second].map(operand => pendingNode(operand, 'Add')?.inputs.map(turned))
  const minusAs = two?.find(term => term?.negative)
  const bc = two?.find(term => term && !term.negative)
  const ac = one?.find(term => term && !term.negative && term.half === minusAs?.half)
  const bs = one?.find(term => term && !term.negative && term.half === bc?.half)
  if (!minusAs || !bc || !ac || !bs || !sameOperand(ac.table, bc.table) || !sameOperand(bs.table, minusAs.table)) return null
  return rotationOf(ac, bs, ac.table, bs.table, true)
}

/** The rotation of queries and keys by their positions, there or back, as one operator over (batch, heads, tokens, size); tables: (tokens, size / 2). */
export function rewriteRotary(recorder: Recorder, parts: readonly Operand[], axis: number): Operand | null {
  const [first, second] = parts
  if (parts.length !== 2 || axis !== 3 || first.shape.length !== 4) return null
  const rotation = matchForward(first, second) ?? matchBackward(first, second)
  if (rotation === null) return null
  const { x, cosine, sine, back } = rotation
  const table = [x.shape[2], x.shape[3] / 2]
  if (!sameShape(cosine.shape, table) || !sameShape(sine.shape, table)) return null
  return recorder.record({
    op: 'Rotary',
    inputs: [x, cosine, back ? unary(recorder, 'Neg', sine) : sine],
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [name, c, s]) => graph.microsoft('RotaryEmbedding', [name, graph.int64([0]), c, s]),
  })
}
