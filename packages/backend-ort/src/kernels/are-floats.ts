import type { Operand } from '../types.js'

export const areFloats = (...operands: readonly (Operand | undefined)[]) =>
  operands.every(operand => operand === undefined || operand.dtype === 'float32')
