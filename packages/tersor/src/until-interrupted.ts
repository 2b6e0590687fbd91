import { EXIT } from './errors.js'

/** What is said at the first Ctrl-C, at once: the work ends where it can leave nothing half-written. */
const STOPPING = '\nStopping … Ctrl-C again ends it where it is.\n'

/** Aborts on Ctrl-C while the work runs; the second one ends the process. */
export const untilInterrupted = async (say: (text: string) => void, work: (signal: AbortSignal) => Promise<void>): Promise<void> => {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    say(STOPPING)
    controller.abort(new Error('Interrupted.'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    await work(controller.signal)
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}
