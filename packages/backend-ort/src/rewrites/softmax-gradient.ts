import { reduce } from '../kernels/reductions.js'
import { sameShape } from '../shapes.js'
import { pendingNode, sameOperand } from '../trace.js'
import type { Binary, Operand, Recorder, TraceNode } from '../trace-types.js'
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

/** With O = P·V and dP = dO·Vᵀ the row sums Σ dP∘P equal Σ dO∘O, over a much smaller tensor. */
function cheaperRowSums(recorder: Recorder, { probabilities, upstream, rowSums }: Parts, binary: Binary): Operand {
  const context = (probabilities.value.node as TraceNode).note as MatMulNote | undefined
  const upstreamProduct = pendingNode(upstream, 'MatMul')
  if (context === undefined || upstreamProduct === null || upstreamProduct.attributes !== '01') return rowSums
  const [gradient, factor] = upstreamProduct.inputs
  const { product } = context
  if (!sameOperand(factor, context.factor) || !sameShape(gradient.shape, product.shape)) return rowSums
  const reduced = reduce(recorder, 'Sum', binary(recorder, 'Multiply', gradient, product), [product.shape.length - 1], true)
  return sameShape(reduced.shape, rowSums.shape) ? reduced : { ...reduced, shape: rowSums.shape }
}

/** dP∘P − Σ(dP∘P)∘P becomes P∘(dP − δ). */
export function rewriteSoftmaxGradient(recorder: Recorder, a: Operand, b: Operand, binary: Binary): Operand | null {
  const parts = match(a, b)
  if (parts === null) return null
  const difference = binary(recorder, 'Sub', parts.upstream, cheaperRowSums(recorder, parts, binary))
  return binary(recorder, 'Multiply', parts.probabilities, difference)
}
