import { encodeBlocks, type BlockTypeName } from '@tersor/formats'
import type { Run, Settings } from '../serve.js'
import { normalValues } from '../values.js'

/** `values` numbers into blocks of `type`. */
export const prepare = ({ values, type }: Settings): Run => {
  const numbers = normalValues(Number(values), 1, 0.02)
  return () => encodeBlocks(type as BlockTypeName, numbers)
}
