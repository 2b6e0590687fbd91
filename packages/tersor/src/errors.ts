import type { CompressionError } from '@tersor/tensor'
import { paint, type Terminal } from './output.js'

/** Exit codes: a failure, wrong usage, and stopped by the user. */
export const EXIT = { failure: 1, usage: 2, interrupted: 130 } as const

const USAGE = new Set(['BAD_OPTION', 'UNKNOWN_METHOD'])

/** The exit code of an error. */
export const exitCodeOf = (error: unknown, signal: AbortSignal): number => {
  if (signal.aborted) return EXIT.interrupted
  return USAGE.has((error as { code?: string }).code ?? '') ? EXIT.usage : EXIT.failure
}

/** Two lines for people: what went wrong and what to do; the stack only with --debug; an object with --json. */
export const writeError = (terminal: Terminal, error: unknown, signal: AbortSignal): void => {
  const { code = 'UNEXPECTED', message, stack, fields } = error as Partial<CompressionError> & { message: string }
  if (signal.aborted) {
    terminal.err.write(fields?.resumable ? `Stopped; ${message.split('\n')[1]}\n` : 'Stopped; nothing was left behind.\n')
    return
  }
  const [what, ...remedy] = message.split('\n')
  if (terminal.json) terminal.out.write(`${JSON.stringify({ error: { code, what, remedy: remedy.join(' ') } })}\n`)
  terminal.err.write(`${paint(terminal, `error ${code}`, 'red')} ${what}\n${remedy.join(' ')}${remedy.length > 0 ? '\n' : ''}`)
  if (terminal.debug && stack) terminal.err.write(`${stack}\n`)
}
