import { Writable } from 'node:stream'
import { main } from './index.js'

export interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process; `columns` make a terminal of its output. */
export const run = async (argv: readonly string[], columns?: number): Promise<Result> => {
  const texts = { out: '', err: '' }
  const stream = (name: 'out' | 'err') =>
    Object.assign(new Writable({ write: (chunk, _encoding, done) => ((texts[name] += String(chunk)), done()) }), columns ? { columns } : {})
  const code = await main(argv, { out: stream('out'), err: stream('err') })
  return { code, ...texts }
}

/** The same of words. */
export const runWords = (...argv: string[]): Promise<Result> => run(argv)

/** The object that a command prints, and nothing else. */
export const json = async (...argv: string[]): Promise<any> => {
  const { code, out, err } = await run([...argv, '--json', '--quiet'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}
