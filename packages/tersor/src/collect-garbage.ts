import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Typed arrays that may wait to be collected; a matrix of weights has some 50 MB. */
const MOST_GARBAGE = 16 * 2 ** 20

/** What collects garbage at once; undefined where the engine is not V8, as in Bun. */
const collector = (): (() => void) | undefined => {
  try {
    setFlagsFromString('--expose-gc')
    return runInNewContext('gc') as () => void
  } catch {
    return undefined
  }
}

/**
 * Gives a function that collects garbage where much has grown since the last time.
 * Node lets typed arrays pile up to half of its heap's limit, gigabytes, while a computation never comes back to the event loop.
 */
export const garbageCollector = (): (() => void) => {
  const collect = collector()
  if (!collect) return () => {}
  let after = process.memoryUsage().arrayBuffers
  return () => {
    if (process.memoryUsage().arrayBuffers - after < MOST_GARBAGE) return
    collect()
    after = process.memoryUsage().arrayBuffers
  }
}
