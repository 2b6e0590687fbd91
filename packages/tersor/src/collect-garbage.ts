import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Typed arrays that may pile up before the young ones are looked through, and before all are; a matrix of weights has some 50 MB. */
const MOST_YOUNG = 64 * 2 ** 20
const MOST = 256 * 2 ** 20

/** What collects garbage at once; undefined where the engine is not V8, as in Bun. */
const collector = (): ((how?: { readonly type: 'minor' }) => void) | undefined => {
  try {
    setFlagsFromString('--expose-gc')
    return runInNewContext('gc') as ReturnType<typeof collector>
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
  const held = (): number => process.memoryUsage().arrayBuffers
  let [afterYoung, afterAll] = [held(), held()]
  return () => {
    if (held() - afterYoung < MOST_YOUNG) return
    collect({ type: 'minor' })
    afterYoung = held()
    if (afterYoung - afterAll < MOST) return
    collect()
    afterYoung = afterAll = held()
  }
}
