/** What went wrong, told apart by code and never by class: packages may be installed twice. */
export type ErrorCode =
  | 'BAD_OPTION'
  | 'SHAPE'
  | 'DTYPE'
  | 'NOT_FOUND'
  | 'NOT_FINITE'
  | 'NO_CALIBRATION'
  | 'NO_ENGINE'
  | 'NOT_POSITIVE_DEFINITE'
  | 'UNKNOWN_CODEC'
  | 'UNKNOWN_METHOD'
  | 'UNSUPPORTED'
  | 'BAD_FILE'
  | 'BAD_DATA'
  | 'OUTPUT_EXISTS'
  | 'IN_USE'
  | 'DISK'
  | 'NETWORK'
  | 'RESUME'
  | 'COMPOSITION'
  | 'PEER_LOST'
  | 'PEERS_DIFFER'

/** Names in files are as long as they like; errors are not. */
const LONGEST = 2000

/** Text of anybody's fit for one line of an error: without line breaks and other signs that steer a terminal, and not longer than a limit. */
export const oneLine = (text: string, longest = LONGEST): string => {
  const line = text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
  return line.length > longest ? `${line.slice(0, longest)}…` : line
}

/** Beyond this a value of a file says nothing more. */
const LONGEST_VALUE = 100

/** A value that a file brought, as it enters a message: as JSON and cut, however deep it nests. */
export const quoted = (value: unknown): string => {
  if (typeof value === 'bigint' || typeof value === 'number') return String(value) // JSON has neither large integers nor NaN
  try {
    return oneLine(JSON.stringify(value) ?? String(value), LONGEST_VALUE)
  } catch {
    return Array.isArray(value) ? 'a list that cannot be shown' : 'an object that cannot be shown' // integers within, or nesting without end
  }
}

/** The one error of Tersor: what was got on the first line, what to do on the second. */
export class CompressionError extends Error {
  readonly code: ErrorCode
  /** The same facts as values, for programs. */
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, what: string, remedy: string, fields: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(`${oneLine(what)}\n${oneLine(remedy)}`, cause === undefined ? undefined : { cause })
    this.name = 'CompressionError'
    this.code = code
    this.fields = fields
  }
}

/** Whether an error of any copy of this package carries the code. */
export const hasCode = (error: unknown, code: ErrorCode): boolean => error instanceof Error && (error as { code?: unknown }).code === code
