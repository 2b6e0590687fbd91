import { CompressionError } from '@tersor/tensor'

/** The error of a topology that cannot be what it claims. */
export const badFile = (what: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_FILE', what, 'The file is damaged or was not written completely: get it again.', {}, cause)
