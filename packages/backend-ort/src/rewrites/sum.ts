import { sizeOf } from '../shapes.js'
import { pendingNode } from '../trace.js'
import type { Operand, Recorder, Shape } from '../trace-types.js'
import { pick, scaleOf } from './one-hot.js'

/** From so many rows on a product with a row of ones beats ReduceSum. */
const TALL = 1024

/** Sums over the leading axes, such as the gradient of a bias, as the product 1ᵀ·X. */
function columnSums(recorder: Recorder, x: Operand, rows: number, columns: number): Operand {
  return recorder.record({
    op: 'ColumnSums',
    inputs: [{ ...x, shape: [rows, columns] }],
    shape: [1, columns],
    dtype: 'float32',
    emit: (graph, [name]) => graph.op('MatMul', [graph.op('Expand', [graph.float(1), graph.int64([1, rows])]), name]),
  })
}

/** Cheaper forms of a sum over `axes` that gives `shape`. */
export function rewriteSum(recorder: Recorder, x: Operand, axes: readonly number[], shape: Shape): Operand | null {
  if (axes.length === 1 && axes[0] === x.shape.length - 1) {
    const masked = pendingNode(x, 'MaskedOneHot')
    if (masked !== null) return { ...pick(recorder, masked), shape }
    const scaled = pendingNode(x, 'ScaledOneHot')
    return scaled === null ? null : { ...scaleOf(recorder, scaled), shape }
  }
  const rows = sizeOf(x.shape.slice(0, axes.length))
  const columns = sizeOf(x.shape.slice(axes.length))
  if (rows < TALL || columns === 1 || !axes.every((axis, index) => axis === index)) return null
  return { ...columnSums(recorder, x, rows, columns), shape }
}
