import { sameShape } from '../shapes.js'
import { pendingNode, sameOperand } from '../trace.js'
import type { Operand, Recorder } from '../trace-types.js'

interface Normalised {
  readonly x: Operand
  readonly epsilon: number
}

/** Recognises x · 1 / √(mean(x²) + ε) over the last axis. */
function match(operand: Operand): Normalised | null {
  const product = pendingNode(operand, 'Multiply')
  const root = product && pendingNode(product.inputs[1], 'Rsqrt')
  const sum = root && pendingNode(root.inputs[0], 'Add')
  const mean = sum && pendingNode(sum.inputs[0], 'Mean')
  const square = mean && pendingNode(mean.inputs[0], 'Square')
  if (!product || !sum || !mean || !square) return null
  const x = product.inputs[0]
  const { literal, values } = sum.inputs[1].value
  const matches = literal && mean.attributes === `${x.shape.length - 1}k` && sameOperand(square.inputs[0], x)
  return matches ? { x, epsilon: (values as Float32Array)[0] } : null
}

/** A root-mean-square norm and its weight as one operator: one pass instead of four, where no gradient wants what lies between. */
export function rewriteRmsNorm(recorder: Recorder, normal: Operand, weight: Operand): Operand | null {
  const normalised = match(normal)
  if (normalised === null || !sameShape(weight.shape, normal.shape.slice(-1)) || normal.shape.length < 2) return null
  const { x, epsilon } = normalised
  return recorder.record({
    ...{ op: 'RmsNorm', inputs: [x, weight], attributes: `${epsilon}`, shape: x.shape, dtype: 'float32', polymorphic: true },
    emit: (graph, names) => graph.op('SimplifiedLayerNormalization', names, { axis: -1, epsilon: { float: epsilon } }),
  })
}
