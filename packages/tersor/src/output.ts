import pc from 'picocolors'

/** Where a command writes: results to `out`, progress and warnings to `err`. */
export interface Terminal {
  readonly out: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly err: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly json: boolean
  readonly quiet: boolean
  readonly debug: boolean
  readonly colors: boolean
}

export type Color = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Whether results and notes both go to a terminal; NO_COLOR turns colours off and FORCE_COLOR on. */
export const wantsColors = (out: { readonly isTTY?: boolean }, err: { readonly isTTY?: boolean }): boolean =>
  !process.env.NO_COLOR && (Boolean(process.env.FORCE_COLOR) || (out.isTTY === true && err.isTTY === true))

/** Colours text where the terminal has colours. */
export const paint = ({ colors }: Pick<Terminal, 'colors'>, text: string, color: Color): string => pc.createColors(colors)[color](text)

/** Columns of texts among results; 100 where they go to no terminal. */
export const textWidth = ({ out }: Pick<Terminal, 'out'>): number => (out as { readonly columns?: number }).columns ?? 100

/** Columns of notes and progress; 80 where they go to no terminal. */
export const noteWidth = ({ err }: Pick<Terminal, 'err'>): number => (err as { readonly columns?: number }).columns ?? 80

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** 12345678 → "12.3 MB", in powers of 1000. */
export const bytesText = (bytes: number): string => {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${UNITS[power]}`
}

/** Writes a result: JSON for programs, the text otherwise. */
export const writeResult = (terminal: Terminal, result: unknown, text: string): void => {
  terminal.out.write(terminal.json ? `${JSON.stringify(result)}\n` : `${text}\n`)
}

/** Writes a line for people, unless they asked for quiet. */
export const note = (terminal: Terminal, text: string): void => {
  if (!terminal.quiet) terminal.err.write(`${text}\n`)
}
