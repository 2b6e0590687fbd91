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

export const fillKernels: RuleTable = {
  Fill: fill,
  ZerosLike: (recorder, { x }) => filled(recorder, x.shape, x.dtype, 0),
  OnesLike: (recorder, { x }) => filled(recorder, x.shape, x.dtype, 1),
}
