import { CompressionError } from '@tersor/tensor'
import type { Link } from './collective.js'

export interface LinkSpeed {
  /** Of what one worker sends, to all others together. */
  readonly bitsPerSecond: number
  /** Milliseconds from the last bit of a message sent to its arrival; 0 where absent. */
  readonly latency?: number
}

const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds))

/** A link as slow as another one: messages of a worker leave one after the other, at so many bits a second. Throws BAD_OPTION. */
export const throttled = (link: Link, { bitsPerSecond, latency = 0 }: LinkSpeed): Link => {
  if (!(bitsPerSecond > 0 && latency >= 0))
    throw new CompressionError('BAD_OPTION', `throttled got ${bitsPerSecond} bits a second and a latency of ${latency}.`, 'Pass more than 0 bits a second, and milliseconds of at least 0.', { bitsPerSecond, latency }) // prettier-ignore
  let free = 0
  return {
    ...link,
    send: async (to, bytes) => {
      const now = performance.now()
      free = Math.max(free, now) + (8000 * bytes.byteLength) / bitsPerSecond
      await sleep(free + latency - now)
      await link.send(to, bytes)
    },
  }
}
