import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What a side says of itself when it is ready. */
export interface SideInfo {
  readonly engine: string
  readonly version: string
  readonly threads: number
}

/** A process that has prepared a job and runs it once at each request. */
export interface Side {
  readonly name: string
  readonly info: SideInfo
  /** Milliseconds of one run. */
  run(): Promise<number>
  close(): void
}

export interface SideCommand {
  readonly name: string
  readonly command: string
  readonly arguments: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Lines of the protocol begin so; whatever else a library prints is passed over. */
const MARK = '@ '

/** The next answers of a process, in order; fails when it ends before giving one. */
const answersOf = (lines: AsyncIterable<string>, ended: () => string) => {
  const iterator = lines[Symbol.asyncIterator]()
  return async (): Promise<unknown> => {
    for (;;) {
      const { value, done } = await iterator.next()
      if (done) throw new Error(ended())
      if (value.startsWith(MARK)) return JSON.parse(value.slice(MARK.length))
    }
  }
}

/** Starts a side and waits until it has warmed up. Throws with the last of its error output where it does not. */
export const startSide = async ({ name, command, arguments: given, environment = {} }: SideCommand): Promise<Side> => {
  const child = spawn(command, [...given], { env: { ...process.env, ...environment } })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)))
  child.stdin.on('error', () => {}) // the side has ended; its output tells why
  const failed = new Promise<never>((_, reject) => child.on('error', reject))
  failed.catch(() => {})
  const last = () => {
    const lines = errors.trim().split('\n')
    return lines.findLast(line => /Error\b/.test(line)) ?? (lines.at(-1) || 'it ended without a word')
  }
  const answer = answersOf(createInterface({ input: child.stdout }), () => `${name} failed: ${last()}`)
  const info = (await Promise.race([answer(), failed])) as SideInfo
  return {
    name,
    info,
    run: async () => {
      child.stdin.write('\n')
      return (await answer()) as number
    },
    close: () => child.stdin.end(),
  }
}
