import { util } from '@tensorflow/tfjs-core'
import { ones } from '../shapes.js'
import { literal } from '../trace.js'
import type { Operand, Recorder, Rule, RuleTable, Shape } from '../trace-types.js'
import { expand } from './expand.js'

function filled(recorder: Recorder, shape: Shape, dtype: string, value: number): Operand | null {
  if (dtype !== 'float32' || shape.length === 0 || shape.includes(0)) return null
  const source = literal(value, ones(shape))
  if (shape.every(length => length === 1)) return null
  return expand(recorder, source, shape)
}

const fill: Rule = (recorder, _inputs, { shape, value, dtype }) =>
  typeof value === 'number' ? filled(recorder, shape, dtype ?? util.inferDtype(value), value) : null

/** Numbers from start on, a step apart, which stand in the graph. */
const range: Rule = (recorder, _inputs, { start, stop, step: given = 1, dtype = 'float32' }) => {
  if (dtype !== 'float32' && dtype !== 'int32') return null
  const step = given === 1 && stop < start ? -1 : given
  const count = Math.ceil((stop - start) / step)
  if (!(count > 0 && Number.isFinite(count))) return null // tfjs-cpu gives none, or a zero
  const values = Array.from({ length: count }, (_, at) => start + at * step)
  return recorder.record({
    op: 'Range',
    inputs: [],
    attributes: `${start},${step},${count}`,
    shape: [count],
    dtype,
    host: (_arrays, take) => {
      const out = take(dtype, count)
      out.set(values)
      return out
    },
    emit: graph => graph.constant(dtype, [count], values),
  })
}

export const fillKernels: RuleTable = {
  Fill: fill,
  Range: range,
  ZerosLike: (recorder, { x }) => filled(recorder, x.shape, x.dtype, 0),
  OnesLike: (recorder, { x }) => filled(recorder, x.shape, x.dtype, 1),
}
