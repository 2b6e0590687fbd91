import { CompressionError, DTYPES, toFloat32, type Parameter } from '@tersor/tensor'

const EXPONENT_BF16 = 0x7f80

const doublesOf = (bytes: Uint8Array): Float64Array => new Float64Array(bytes.slice().buffer)

const firstBad = (parameter: Parameter): number => {
  if (parameter.kind === 'encoded' || DTYPES[parameter.dtype].kind !== 'float') return -1
  const { bytes, dtype } = parameter
  if (dtype === 'bf16') {
    const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
    const codes = new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2)
    for (let i = 0; i < codes.length; i++) if ((codes[i] & EXPONENT_BF16) === EXPONENT_BF16) return i
    return -1
  }
  if (dtype === 'f64') return doublesOf(bytes).findIndex(value => !Number.isFinite(value)) // many more are finite than floats hold
  return toFloat32(parameter).findIndex(value => !Number.isFinite(value))
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
