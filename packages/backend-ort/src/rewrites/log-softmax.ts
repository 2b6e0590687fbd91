import { pendingNode } from '../trace.js'
import type { Operand, Recorder } from '../trace-types.js'

/** (x − max x) − log Σ exp(x − max x), as tfjs writes it, is LogSoftmax over the last axis. */
export function rewriteLogSoftmax(recorder: Recorder, a: Operand, b: Operand): Operand | null {
  const shifted = pendingNode(a, 'Sub')
  const log = pendingNode(b, 'Log')
  if (shifted === null || log === null) return null
  const [x, subtracted] = shifted.inputs
  const largest = pendingNode(subtracted, 'Max')
  const total = pendingNode(log.inputs[0], 'Sum')
  const exponential = total === null ? null : pendingNode(total.inputs[0], 'Exp')
  if (largest === null || total === null || exponential === null) return null
  const lastAxis = `${x.shape.length - 1}k`
  const matches =
    exponential.inputs[0].value === shifted.value &&
    largest.inputs[0].value === x.value &&
    largest.attributes === lastAxis &&
    total.attributes === lastAxis
  if (!matches) return null
  return recorder.record({
    op: 'LogSoftmax',
    inputs: [x],
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, names) => graph.op('LogSoftmax', names, { axis: -1 }),
  })
}
