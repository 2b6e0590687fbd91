import { CompressionError } from '@tersor/tensor'

/** Throws BAD_OPTION for anything but an integer from 1 on; `meaning`: what it counts. */
export const checkPositive = (owner: string, option: string, value: number, meaning?: string): void => {
  if (Number.isInteger(value) && value > 0) return
  const remedy = `Pass a positive integer${meaning === undefined ? '' : `: ${meaning}`}.`
  throw new CompressionError('BAD_OPTION', `${owner} got ${option} = ${value}.`, remedy)
}
