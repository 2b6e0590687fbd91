import { expand } from '../kernels/expand.js'
import { concat } from '../kernels/layout.js'
import { matMul } from '../kernels/matmul.js'
import { reduce } from '../kernels/reductions.js'
import { unary } from '../kernels/unary.js'
import { sameShape } from '../shapes.js'
import { literal, pendingNode, sameOperand } from '../trace.js'
import type { Binary, Operand, Recorder, Shape, TraceNode } from '../trace-types.js'
import type { MatMulNote } from './notes.js'

interface Parts {
  readonly probabilities: Operand
  readonly upstream: Operand
  readonly rowSums: Operand
}

/** Recognises dP∘P − Σ(dP∘P)∘P, the gradient of a softmax as tfjs writes it. */
function match(a: Operand, b: Operand): Parts | null {
  const product = pendingNode(a, 'Multiply')
  const scaled = pendingNode(b, 'Multiply')
  if (product === null || scaled === null) return null
  const index = product.inputs.findIndex(
    input => pendingNode(input, 'Softmax') !== null && scaled.inputs.some(other => other.value === input.value),
  )
  if (index < 0) return null
  const probabilities = product.inputs[index]
  const rowSums = scaled.inputs.find(input => input.value !== probabilities.value)
  const sum = rowSums === undefined ? null : pendingNode(rowSums, 'Sum')
  if (sum === null || sum.inputs[0].value !== product.value || sum.attributes !== `${a.shape.length - 1}k`) return null
  return { probabilities, upstream: product.inputs[1 - index], rowSums: rowSums! }
}

/** dP = dO·Vᵀ of attention, whose softmax mixed V into O = P·V. */
interface Mixed {
  readonly gradient: Operand
  readonly factor: Operand
  /** Σ dP∘P = Σ dO∘O, over a much smaller tensor; (…, queries, 1). */
  readonly rowSums: Operand
}

function mixedBy(recorder: Recorder, { probabilities, upstream }: Parts, binary: Binary): Mixed | null {
  const context = (probabilities.value.node as TraceNode).note as MatMulNote | undefined
  const upstreamProduct = pendingNode(upstream, 'MatMul')
  if (context === undefined || upstreamProduct === null || upstreamProduct.attributes !== '01') return null
  const [gradient, factor] = upstreamProduct.inputs
  const { product } = context
  if (!sameOperand(factor, context.factor) || !sameShape(gradient.shape, product.shape)) return null
  const rowSums = reduce(recorder, 'Sum', binary(recorder, 'Multiply', gradient, product), [product.shape.length - 1], true)
  return { gradient, factor, rowSums }
}

/** dO·Vᵀ − δ as one product, [dO, −δ]·[V, 1]ᵀ: one column more in it, and one pass less over the largest tensors of a step. */
function shiftedProduct(recorder: Recorder, { gradient, factor, rowSums }: Mixed, shape: Shape): Operand {
  const last = gradient.shape.length - 1
  const column = [...factor.shape.slice(0, -1), 1]
  const ones = expand(
    recorder,
    literal(
      1,
      column.map(() => 1),
    ),
    column,
  )
  const left = concat(recorder, [gradient, unary(recorder, 'Neg', rowSums)], last)
  const right = concat(recorder, [factor, ones], last)
  return { ...matMul(recorder, left, right, { transposeA: false, transposeB: true }), shape }
}

/** dP∘P − Σ(dP∘P)∘P becomes P∘(dP − δ). */
export function rewriteSoftmaxGradient(recorder: Recorder, a: Operand, b: Operand, binary: Binary): Operand | null {
  const parts = match(a, b)
  if (parts === null) return null
  const mixed = mixedBy(recorder, parts, binary)
  const difference = mixed ? shiftedProduct(recorder, mixed, parts.upstream.shape) : binary(recorder, 'Sub', parts.upstream, parts.rowSums)
  return binary(recorder, 'Multiply', parts.probabilities, difference)
}
