import { CompressionError } from '@tersor/tensor'
import { collectiveOver, type Collective, type Link } from './collective.js'
import { mailbox } from './mailbox.js'

/** Links between so many workers of one process. */
export const linksTogether = (size: number): readonly Link[] => {
  if (!Number.isInteger(size) || size < 1)
    throw new CompressionError('BAD_OPTION', `together got a size of ${size}.`, 'Pass a positive integer: the workers.', { size })
  const boxes = Array.from({ length: size }, () => mailbox(size))
  return boxes.map((own, rank) => ({
    rank,
    size,
    send: async (to, bytes) => boxes[to].put(rank, bytes.slice()),
    receive: (from, within) => own.take(from, within),
    close: async () => boxes.forEach(box => box.lose(rank, 'it has ended')),
  }))
}

/**
 * Runs so many workers in this process, in turn wherever they wait for each other: for simulations and tests. What each returned, by rank.
 * Where one fails, those that wait for it get PEER_LOST, and its own error is thrown. Throws BAD_OPTION.
 */
export const together = async <T>(
  size: number,
  run: (peers: Collective) => Promise<T>,
  through: (link: Link) => Link = link => link,
): Promise<readonly T[]> => {
  const links = linksTogether(size)
  const failures: unknown[] = []
  const outcomes = await Promise.all(
    links.map(async link => {
      const peers = collectiveOver(through(link))
      try {
        return await run(peers)
      } catch (error) {
        failures.push(error)
        return undefined
      } finally {
        await link.close()
      }
    }),
  )
  if (failures.length > 0) throw failures[0]
  return outcomes as readonly T[]
}
