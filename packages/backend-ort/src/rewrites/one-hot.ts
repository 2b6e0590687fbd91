import { expand } from '../kernels/expand.js'
import type { Graph } from '../graph.js'
import { sameShape, sizeOf } from '../shapes.js'
import { pendingNode } from '../trace.js'
import type { Operand, Recorder, Shape, TraceNode } from '../trace-types.js'

const column = (shape: Shape): Shape => [...shape.slice(0, -1), 1]

/** Splits indices into safe ones and a mask of the valid ones: an index outside stands for a row of zeros. */
function guard(graph: Graph, indices: string, depth: number): { readonly safe: string; readonly valid: string } {
  const zero = graph.constant('int32', [], [0])
  const inside = graph.op('And', [
    graph.op('GreaterOrEqual', [indices, zero]),
    graph.op('Less', [indices, graph.constant('int32', [], [depth])]),
  ])
  return { safe: graph.op('Where', [inside, indices, zero]), valid: inside }
}

/** x ∘ oneHot(i) stays symbolic until a consumer needs it dense. */
export function rewriteOneHotProduct(recorder: Recorder, a: Operand, b: Operand, shape: Shape): Operand | null {
  const left = pendingNode(a, 'OneHot')
  const hotNode = left ?? pendingNode(b, 'OneHot')
  if (hotNode === null) return null
  const [hot, x] = left === null ? [b, a] : [a, b]
  if (hot.dtype !== 'float32' || !sameShape(hot.shape, shape)) return null
  const narrow = sizeOf(x.shape) === 1 || (x.shape.length === shape.length && x.shape.at(-1) === 1)
  if (!narrow && !sameShape(x.shape, shape)) return null
  return recorder.record({
    op: narrow ? 'ScaledOneHot' : 'MaskedOneHot',
    inputs: [hot, x, hotNode.inputs[0]],
    shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [mask, values]) => graph.op('Mul', [values, mask]),
  })
}

/** Σ x ∘ oneHot(i) over the last axis is x[i]. */
export function pick(recorder: Recorder, masked: TraceNode): Operand {
  const [, x, indices] = masked.inputs
  const shape = column(masked.shape)
  return recorder.record({
    op: 'Pick',
    inputs: [x, { ...indices, shape }],
    attributes: `${masked.shape.at(-1)}`,
    shape,
    dtype: 'float32',
    emit(graph, [values, at]) {
      const { safe, valid } = guard(graph, at, masked.shape.at(-1)!)
      const picked = graph.op('GatherElements', [values, safe], { axis: masked.shape.length - 1 })
      return graph.op('Where', [valid, picked, graph.float(0)])
    },
  })
}

/** Σ s ∘ oneHot(i) over the last axis is s where the index is valid. */
export function scaleOf(recorder: Recorder, scaled: TraceNode): Operand {
  const [, scale, indices] = scaled.inputs
  const shape = column(scaled.shape)
  return recorder.record({
    op: 'ScaleOfOneHot',
    inputs: [scale, { ...indices, shape }],
    attributes: `${scaled.shape.at(-1)}`,
    shape,
    dtype: 'float32',
    emit: (graph, [value, at]) => graph.op('Where', [guard(graph, at, scaled.shape.at(-1)!).valid, value, graph.float(0)]),
  })
}

/** s∘oneHot(i) − y, the gradient of a cross entropy: adds s at i into −y. */
export function rewriteOneHotDifference(recorder: Recorder, a: Operand, b: Operand, shape: Shape): Operand | null {
  const scaled = pendingNode(a, 'ScaledOneHot')
  if (scaled === null || !sameShape(b.shape, shape)) return null
  const [, scale, indices] = scaled.inputs
  const narrow = column(shape)
  const axis = shape.length - 1
  const spread = expand(recorder, sizeOf(scale.shape) === 1 ? { ...scale, shape: narrow.map(() => 1) } : scale, narrow)
  return recorder.record({
    op: 'ScatterIntoNegative',
    inputs: [negated(recorder, b, shape), { ...indices, shape: narrow }, spread],
    attributes: `${shape.at(-1)}`,
    shape,
    dtype: 'float32',
    emit(graph, [base, at, values]) {
      const { safe, valid } = guard(graph, at, shape.at(-1)!)
      const added = graph.op('Where', [valid, values, graph.float(0)])
      return graph.op('ScatterElements', [base, safe, added], { axis, reduction: 'add' })
    },
  })
}

/** −y, with the sign put on the small factor where y is a product. */
function negated(recorder: Recorder, y: Operand, shape: Shape): Operand {
  const negative = (x: Operand) =>
    recorder.record({
      op: 'Neg',
      inputs: [x],
      shape: x.shape,
      dtype: 'float32',
      polymorphic: true,
      emit: (graph, names) => graph.op('Neg', names),
    })
  const product = pendingNode(y, 'Multiply')
  if (product === null) return negative(y)
  const [first, second] = product.inputs
  const [small, large] = sizeOf(first.shape) < sizeOf(second.shape) ? [first, second] : [second, first]
  return recorder.record({
    op: 'Multiply',
    inputs: [negative(small), large],
    shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, names) => graph.op('Mul', names),
  })
}
