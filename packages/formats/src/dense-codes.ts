import { DTYPES, sizeOf, unpackBits, type Dense, type Parameter } from '@tersor/tensor'

export const isDense = (parameter: Parameter | undefined): parameter is Dense => parameter?.kind === 'dense'

/** Unsigned codes of 1 to 8 bits, one in a byte. */
export const codesOf = (data: Dense): Uint8Array =>
  DTYPES[data.dtype].bits === 8 ? data.bytes : unpackBits(data.bytes, DTYPES[data.dtype].bits, sizeOf(data.shape))
