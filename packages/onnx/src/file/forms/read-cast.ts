import { parameterOf } from '../tensors.js'
import { dtypeOf } from '../data-types.js'
import { weightNameOf } from './part-name.js'
import type { Reader } from './found-weight.js'

/** Cast over halves, which a graph of floats widens when it runs. */
export const readCast: Reader = ({ input, attribute }, find) => {
  const values = find(input[0])
  const dtype = dtypeOf(Number(attribute.find(({ name }) => name === 'to')?.i ?? 0))
  if (!values || (values.dtype !== 'f16' && values.dtype !== 'bf16') || dtype !== 'f32') return undefined
  const { name, shape } = values
  return { name: weightNameOf(name), shape, dtype, parts: [values], read: ([bytes]) => parameterOf(values, bytes) }
}
