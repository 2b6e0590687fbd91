import { sameShape } from '../shapes.js'
import { pendingNode } from '../trace.js'
import type { Operand, Recorder } from '../trace-types.js'

/** dy · step(relu(x)) as one node: it may stay in a convolution's layout, and a product with ones and zeros is half the time of a choice. */
export function rewriteRectifierGradient(recorder: Recorder, dy: Operand, slope: Operand): Operand | null {
  const step = pendingNode(slope, 'Step')
  if (step === null || step.attributes !== '0' || !sameShape(dy.shape, slope.shape)) return null
  const y = step.inputs[0]
  if (pendingNode(y, 'Relu') === null) return null
  return recorder.record({
    op: 'RectifierGradient',
    inputs: [y, dy],
    shape: dy.shape,
    dtype: 'float32',
    polymorphic: true,
    elementwise: true,
    emit: (graph, [name, upstream]) => graph.op('Mul', [graph.cast(graph.op('Greater', [name, graph.float(0)]), 'float32'), upstream]),
  })
}
