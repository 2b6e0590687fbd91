import { CompressionError } from '@tersor/tensor'

/** The error of a file whose content cannot be what it claims. */
export const badFile = (
  what: string,
  remedy = 'The file is damaged or was not written completely: get it again.',
  fields: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): CompressionError => new CompressionError('BAD_FILE', what, remedy, fields, cause)
