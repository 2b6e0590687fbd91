import { bf16CodesOf, CompressionError, DTYPES, finiteRange, finiteRangeOfBf16, toFloat32, type Parameter } from '@tersor/tensor'

const doublesOf = (bytes: Uint8Array): Float64Array => new Float64Array(bytes.slice().buffer)

const firstBad = (parameter: Parameter): number => {
  if (parameter.kind === 'encoded' || DTYPES[parameter.dtype].kind !== 'float') return -1
  const { bytes, dtype } = parameter
  if (dtype === 'bf16') return finiteRangeOfBf16(bf16CodesOf(parameter)).bad
  if (dtype === 'f64') return doublesOf(bytes).findIndex(value => !Number.isFinite(value)) // many more are finite than floats hold
  return finiteRange(toFloat32(parameter)).bad
}

/** Throws NOT_FINITE where a weight is NaN or infinite: every statistic after it would be too. */
export const checkFinite = (name: string, parameter: Parameter): void => {
  const index = firstBad(parameter)
  if (index < 0) return
  throw new CompressionError(
    'NOT_FINITE',
    `Weight ${index} of "${name}" is NaN or infinite.`,
    'Repair or replace the checkpoint: nothing computed from it would hold.',
    { name, index },
  )
}
