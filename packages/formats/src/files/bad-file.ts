import { CompressionError, oneLine as cutLine } from '@tersor/tensor'

/** Names in files are as long as they like; errors are not. */
const LONGEST = 400

/** Text of a file made fit for the first line of an error. */
export const oneLine = (text: string): string => cutLine(text, LONGEST)

/** The error of a file whose content cannot be what it claims. */
export const badFile = (
  what: string,
  remedy = 'The file is damaged or was not written completely: get it again.',
  fields: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): CompressionError => new CompressionError('BAD_FILE', oneLine(what), remedy, fields, cause)
