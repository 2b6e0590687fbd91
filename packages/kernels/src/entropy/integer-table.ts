import { CompressionError } from '@tersor/tensor'

/** The finest tables that the coders take. */
export const MAX_PRECISION = 16

const badTable = (what: string, remedy: string): CompressionError => new CompressionError('BAD_OPTION', what, remedy)

/**
 * Bounds of the parts that symbols have of 2^precision, by their weights: symbol i from bound i to bound i + 1, (symbols + 1). Each has 1 at least, so that
 * what was not expected can be said; the rest goes by weight, and what rounding leaves to the heaviest. Whoever reads what was coded by them needs these very
 * numbers: send them, and do not compute them again.
 * Throws BAD_OPTION for weights that are no numbers from 0 on, and more symbols than 2^precision.
 */
export const integerTable = (weights: ArrayLike<number>, precision: number): Int32Array => {
  const whole = 2 ** precision
  if (!Number.isInteger(precision) || precision < 1 || precision > MAX_PRECISION)
    throw badTable(`precision is ${precision}.`, `Pass a whole number from 1 to ${MAX_PRECISION}.`)
  if (weights.length === 0 || weights.length > whole)
    throw badTable(`There are ${weights.length} symbols for ${whole} parts.`, 'Pass one symbol at least, and a higher precision for more.')
  let sum = 0
  let heaviest = 0
  for (let i = 0; i < weights.length; i++) {
    if (!Number.isFinite(weights[i]) || weights[i] < 0)
      throw badTable(`The weight of symbol ${i} is ${weights[i]}.`, 'Pass numbers from 0 on.')
    sum += weights[i]
    if (weights[i] > weights[heaviest]) heaviest = i
  }
  const free = whole - weights.length
  const widths = Int32Array.from(weights, weight => 1 + (sum === 0 ? 0 : Math.floor((free * weight) / sum)))
  widths[heaviest] += whole - widths.reduce((a, b) => a + b, 0)
  const bounds = new Int32Array(weights.length + 1)
  widths.forEach((width, i) => (bounds[i + 1] = bounds[i] + width))
  return bounds
}
