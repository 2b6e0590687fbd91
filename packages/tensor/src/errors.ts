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
  | 'RESUME'
  | 'COMPOSITION'

/** The one error of Tersor: what was got on the first line, what to do on the second. */
export class CompressionError extends Error {
  readonly code: ErrorCode
  /** The same facts as values, for programs. */
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, what: string, remedy: string, fields: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(`${what}\n${remedy}`, cause === undefined ? undefined : { cause })
    this.name = 'CompressionError'
    this.code = code
    this.fields = fields
  }
}

/** Whether an error of any copy of this package carries the code. */
export const hasCode = (error: unknown, code: ErrorCode): boolean => error instanceof Error && (error as { code?: unknown }).code === code
