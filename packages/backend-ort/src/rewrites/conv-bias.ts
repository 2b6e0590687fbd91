import { convolve } from '../kernels/convolution.js'
import { pendingNode } from '../trace.js'
import type { Operand, Recorder } from '../trace-types.js'
import type { ConvNote } from './notes.js'

/** conv(x, w) + bias becomes one convolution, which stays in its own layout. */
export function rewriteConvBias(recorder: Recorder, a: Operand, b: Operand): Operand | null {
  const node = pendingNode(a, 'Conv')
  if (node === null || node.inputs.length !== 2 || b.shape.length !== 1 || b.shape[0] !== a.shape.at(-1)) return null
  const { info, activation, depthwise } = node.note as ConvNote
  if (activation !== undefined && activation !== 'linear') return null
  return convolve(recorder, info, [...node.inputs, b], undefined, depthwise)
}
