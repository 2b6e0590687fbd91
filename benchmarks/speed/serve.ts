import { createInterface } from 'node:readline'
import type { SideInfo } from './side.js'

/** One run of a prepared job; a side's time is that of `run` until it settles. */
export type Run = () => unknown

/** Settings of a job, the same for all sides. */
export type Settings = Readonly<Record<string, number | string>>

/** Warms up, says so, then runs once for each line on stdin and answers with milliseconds. */
export const serve = async (run: Run, info: SideInfo, warm: number): Promise<void> => {
  const answer = (value: unknown): void => void process.stdout.write(`@ ${JSON.stringify(value)}\n`)
  for (let i = 0; i < warm; i++) await run()
  answer(info)
  for await (const _ of createInterface({ input: process.stdin })) {
    const start = performance.now()
    await run()
    answer(performance.now() - start)
  }
  process.exit(0)
}
