import { CompressionError } from '@tersor/tensor'
import { Worker, workerData } from 'node:worker_threads'
import { collectiveOver, type Collective, type Link } from './collective.js'
import { linkOver, loseThread, sharedRings, type SharedRings } from './shared-rings.js'

const KEY = 'tersorThreads'

export interface ThreadsOptions {
  /** How many threads. */
  readonly size: number
  /** What each runs. */
  readonly script: string | URL
  /** What the script gets as `workerData.data`. */
  readonly data?: unknown
  /** Bytes of memory between each two threads, each way; 2^20 where absent. Longer messages pass through in pieces. */
  readonly capacity?: number
}

interface Given {
  readonly rank: number
  readonly rings: SharedRings
}

/** Starts so many threads of one script, which find each other by `threads()`; the code with which each ended, by rank. Throws BAD_OPTION. */
export const launchThreads = async ({ size, script, data, capacity }: ThreadsOptions): Promise<readonly number[]> => {
  const rings = sharedRings({ size, ...(capacity !== undefined && { capacity }) })
  const workers = Array.from({ length: size }, (_, rank) => new Worker(script, { workerData: { [KEY]: { rank, rings } satisfies Given, data } })) // prettier-ignore
  return Promise.all(
    workers.map(
      (worker, rank) =>
        new Promise<number>(resolve => {
          worker.once('error', error => console.error(error))
          worker.once('exit', code => {
            loseThread(rings, rank)
            resolve(code)
          })
        }),
    ),
  )
}

/** The threads that `launchThreads` started, this one among them; `through` may make the link slower. Throws NOT_FOUND where it started none. */
export const threads = (through: (link: Link) => Link = link => link): Collective => {
  const given = (workerData as { readonly [KEY]?: Given } | null)?.[KEY]
  if (!given) throw new CompressionError('NOT_FOUND', 'This thread was not started by launchThreads.', 'Start the threads with launchThreads({ size, script }).') // prettier-ignore
  return collectiveOver(through(linkOver(given.rings, given.rank)))
}
