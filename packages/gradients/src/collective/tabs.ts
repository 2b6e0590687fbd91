import { CompressionError } from '@tersor/tensor'
import { collectiveOver, type Collective } from './collective.js'
import { mailbox } from './mailbox.js'

export interface TabsOptions {
  /** What the tabs of one training have in common. */
  readonly name: string
  readonly rank: number
  readonly size: number
  /** Milliseconds to wait for the others to appear; 30,000 where absent. */
  readonly timeout?: number
}

interface Letter {
  readonly from: number
  readonly to: number
  readonly bytes?: Uint8Array
  readonly what?: 'here' | 'gone'
}

/** How often a tab says that it is there until all are, in ms. */
const CALL = 50

/**
 * Tabs of one origin, by a BroadcastChannel, which needs no server; threads of Node have it too. A tab that is closed says so.
 * Throws BAD_OPTION; PEER_LOST for a tab that does not appear in time.
 */
export const tabs = async ({ name, rank, size, timeout = 30_000 }: TabsOptions): Promise<Collective> => {
  if (!(Number.isInteger(size) && size >= 1 && Number.isInteger(rank) && rank >= 0 && rank < size))
    throw new CompressionError('BAD_OPTION', `tabs got rank ${rank} of ${size}.`, 'Pass a rank from 0 on, below the size.', { rank, size })
  const channel = new BroadcastChannel(`tersor ${name}`)
  const box = mailbox(size)
  const here = new Set([rank])
  const post = (letter: Letter): void => channel.postMessage(letter)
  let all = (): void => {}
  const complete = new Promise<void>(resolve => (all = resolve))
  channel.onmessage = ({ data }: { readonly data: unknown }) => {
    const { from, to, bytes, what } = data as Letter
    if (what === 'gone') box.lose(from, 'it was closed')
    if (what === 'here' && !here.has(from)) {
      here.add(from)
      post({ from: rank, to: from, what: 'here' })
    }
    if (to === rank && bytes) box.put(from, bytes)
    if (here.size === size) all()
  }
  const call = setInterval(() => post({ from: rank, to: -1, what: 'here' }), CALL)
  const late = setTimeout(() => all(), timeout)
  if (size === 1) all()
  await complete
  clearInterval(call)
  clearTimeout(late)
  if (here.size < size) {
    channel.close()
    const absent = Array.from({ length: size }, (_, i) => i).find(i => !here.has(i))!
    throw new CompressionError('PEER_LOST', `Tab ${absent} of "${name}" did not appear within ${timeout} ms.`, 'Open all tabs within the timeout, with the same name and size.', { rank: absent }) // prettier-ignore
  }
  post({ from: rank, to: -1, what: 'here' }) // for one that heard of all but this
  return collectiveOver({
    rank,
    size,
    send: async (to, bytes) => post({ from: rank, to, bytes: bytes.slice() }),
    receive: (from, within) => box.take(from, within),
    close: async () => {
      post({ from: rank, to: -1, what: 'gone' })
      channel.close()
    },
  })
}
