import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

/** What a child said of itself at its end. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
  /** Seconds and bytes; absent where it was killed. */
  readonly own?: { readonly seconds: number; readonly peakBytes: number }
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/** Starts child.ts from sources in a process of its own. */
export const start = (...args: readonly string[]): Running => {
  const child = spawn(process.execPath, ['--conditions=@tersor/source', '--import', 'tsx', CHILD, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const texts = ['', '', '', '']
  for (const stream of [1, 2, 3]) child.stdio[stream]!.on('data', (chunk: Buffer) => (texts[stream] += chunk.toString()))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code =>
      resolve({ code, out: texts[1], err: texts[2], ...(texts[3] === '' ? {} : { own: JSON.parse(texts[3]) as Ended['own'] & object }) }),
    )
  })
  return { child, ended }
}

/** Runs child.ts to its end; throws with its last words where it fails. */
export const finish = async (...args: readonly string[]): Promise<Ended> => {
  const result = await start(...args).ended
  if (result.code === 0) return result
  throw new Error(`${args.join(' ')} ended with ${result.code}: ${result.err.trim().split('\n').slice(-3).join(' ')}`)
}
