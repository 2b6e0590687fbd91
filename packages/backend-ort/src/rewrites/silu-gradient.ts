import { pendingNode, sameOperand } from '../trace.js'
import type { Binary, Operand, Recorder } from '../trace-types.js'

/** The factors of a pending product. */
const factors = (operand: Operand): readonly [Operand, Operand] | null => {
  const product = pendingNode(operand, 'Multiply')
  return product && (product.inputs as readonly [Operand, Operand])
}

/** What is left of a product without one of its factors. */
const without = (product: readonly [Operand, Operand] | null, factor: Operand): Operand | null => {
  const at = product === null ? -1 : product.findIndex(each => sameOperand(each, factor))
  return at < 0 ? null : product![1 - at]
}

/** 1 − σ. */
const isRest = (operand: Operand, sigmoid: Operand): boolean => {
  const difference = pendingNode(operand, 'Sub')
  if (difference === null || !sameOperand(difference.inputs[1], sigmoid)) return false
  const { literal, values } = difference.inputs[0].value
  return literal && (values as Float32Array)[0] === 1
}

/**
 * dy·σ + (dy·x)·(σ·(1 − σ)), the gradient of x·σ(x) as tfjs writes it, becomes dy·(σ + (x·σ)·(1 − σ)), where x·σ is there already: two passes
 * less over what is the largest activation of a network.
 */
export function rewriteSiluGradient(recorder: Recorder, direct: Operand, through: Operand, binary: Binary): Operand | null {
  const [left, right] = [factors(direct), factors(through)]
  if (left === null || right === null) return null
  for (const sigmoid of left) {
    const x = pendingNode(sigmoid, 'Sigmoid')?.inputs[0]
    const dy = x && without(left, sigmoid)
    if (!x || !dy) continue
    for (const slope of right) {
      const rest = without(factors(slope), sigmoid)
      const upstream = without(right, slope)
      const isProduct = upstream !== null && without(factors(upstream), x)
      if (rest === null || !isRest(rest, sigmoid) || !isProduct || !sameOperand(isProduct, dy)) continue
      const silu = binary(recorder, 'Multiply', x, sigmoid)
      return binary(recorder, 'Multiply', dy, binary(recorder, 'Add', sigmoid, binary(recorder, 'Multiply', silu, rest)))
    }
  }
  return null
}
