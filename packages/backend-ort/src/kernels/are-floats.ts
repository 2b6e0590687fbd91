import type { Operand } from '../trace-types.js'

export const areFloats = (...operands: readonly (Operand | undefined)[]) =>
  operands.every(operand => operand === undefined || operand.dtype === 'float32')
