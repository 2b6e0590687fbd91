import { ones, sameShape, sizeOf } from '../shapes.js'
import type { Host, Operand, Recorder, Shape } from '../trace-types.js'

/** Repeats in JavaScript; only the case of one element, the common one, is written out. */
const repeatOne =
  (dtype: Operand['dtype'], size: number): Host =>
  ([source], take) =>
    take(dtype, size).fill(source[0])

/**
 * Broadcasts to a shape.
 * Consumers that broadcast by themselves look through it (see `peel`), so that it is seldom computed.
 */
export function expand(recorder: Recorder, x: Operand, shape: Shape): Operand {
  if (sameShape(x.shape, shape)) return x
  const host = sizeOf(x.shape) === 1 ? { host: repeatOne(x.dtype, sizeOf(shape)) } : {}
  return recorder.record({
    op: 'Expand',
    inputs: [x],
    shape,
    dtype: x.dtype,
    emit: (graph, [name]) => graph.op('Expand', [name, graph.int64(shape)]),
    ...host,
  })
}

/** The small source of a pending broadcast, in a shape of the same rank where it is a single element. */
export function peel(x: Operand): Operand {
  const { node } = x.value
  if (node === null || node.op !== 'Expand') return x
  const source = node.inputs[0]
  if (sizeOf(source.shape) === 1) return { ...source, shape: ones(x.shape) }
  return sameShape(node.shape, x.shape) ? source : x
}
