import { CompressionError, type Dense, type Parameter } from '@tersor/tensor'

/** Parameters of a saved cache by name. */
export interface Reading {
  readonly read: (name: string) => Promise<Parameter>
  readonly has: (name: string) => boolean
}

export const refusal = (name: string, what: string): CompressionError =>
  new CompressionError(
    'BAD_FILE',
    `"${name}" of the saved cache ${what}.`,
    'Save the session again; this file is damaged or of another network.',
    { name },
  )

/** A dense tensor of a type. */
export const numbers = (name: string, parameter: Parameter, dtype: 'f32' | 'i32'): Dense => {
  if (parameter.kind === 'dense' && parameter.dtype === dtype) return parameter
  throw refusal(name, `is no ${dtype} tensor`)
}

/** Positions of some rows that ascend and end before the next. */
export const checkedPositions = (name: string, positions: Int32Array, entries: number, rows: number, next: number): Int32Array => {
  if (positions.length !== entries && positions.length !== rows * entries)
    throw refusal(name, `has ${positions.length} positions for ${rows} rows of ${entries}`)
  positions.forEach((position, at) => {
    const first = at % entries === 0
    if (position < 0 || position >= next || (!first && position <= positions[at - 1]))
      throw refusal(name, `has position ${position} at ${at}`)
  })
  return positions
}
