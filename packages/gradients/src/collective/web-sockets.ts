import { CompressionError } from '@tersor/tensor'
import type { Link } from './collective.js'
import { lost, mailbox } from './mailbox.js'

export interface WebSocketsOptions {
  /** Where the relay listens: "ws://host:port", or "wss:". */
  readonly url: string
  /** What the workers of one training have in common. */
  readonly name: string
  readonly rank: number
  readonly size: number
  /** Milliseconds to wait for the others to appear; 30,000 where absent. */
  readonly timeout?: number
  /** Opens a socket; the standard WebSocket of browsers and Node from 22 on where absent. */
  readonly open?: (url: string) => WebSocket
}

/** What relay and workers tell each other besides messages. */
export type Notice =
  | { readonly what: 'join'; readonly name: string; readonly rank: number; readonly size: number }
  | { readonly what: 'complete' }
  | { readonly what: 'refused'; readonly why: string }
  | { readonly what: 'gone'; readonly rank: number }

/** Before each message: to whom it goes, and behind the relay, from whom it comes. */
const ADDRESS = 4

/** Bytes that may wait in a socket before the next message does, and how long it looks again after, in ms. */
const [WAITING, LOOK] = [2 ** 22, 2]

const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds))

const opener = (open: WebSocketsOptions['open']): ((url: string) => WebSocket) => {
  if (open) return open
  if (typeof WebSocket === 'undefined')
    throw new CompressionError('NO_ENGINE', 'There is no WebSocket here.', "Use Node 22 or newer, or install ws and pass open: url => new WebSocket(url) of it.") // prettier-ignore
  return url => new WebSocket(url)
}

const addressed = (to: number, bytes: Uint8Array) => {
  const message = new Uint8Array(ADDRESS + bytes.byteLength)
  new DataView(message.buffer).setUint32(0, to, true)
  message.set(bytes, ADDRESS)
  return message
}

/**
 * Workers anywhere that reach each other through a relay, by WebSockets: machines behind routers, and pages. Run `webSocketRelay` where all can reach it.
 * Throws BAD_OPTION; NO_ENGINE where there is no WebSocket; PEER_LOST for a relay that does not answer, and workers that do not appear in time;
 * PEERS_DIFFER where the relay knows the name with another size, or the rank already.
 */
export const webSockets = async ({ url, name, rank, size, timeout = 30_000, open }: WebSocketsOptions): Promise<Link> => {
  if (!(Number.isInteger(size) && size >= 1 && Number.isInteger(rank) && rank >= 0 && rank < size))
    throw new CompressionError('BAD_OPTION', `webSockets got rank ${rank} of ${size}.`, 'Pass a rank from 0 on, below the size.', { rank, size }) // prettier-ignore
  const socket = opener(open)(url)
  socket.binaryType = 'arraybuffer'
  const box = mailbox(size)
  const tell = (notice: Notice): void => socket.send(JSON.stringify(notice))
  let isClosing = false
  await new Promise<void>((resolve, reject) => {
    const fail = (error: CompressionError): void => {
      clearTimeout(late)
      socket.close()
      reject(error)
    }
    const late = setTimeout(() => fail(new CompressionError('PEER_LOST', `Not all ${size} workers of "${name}" appeared at ${url} within ${timeout} ms.`, 'Start all workers within the timeout, with the same name and size.', { url, name })), timeout) // prettier-ignore
    socket.onopen = () => tell({ what: 'join', name, rank, size })
    socket.onerror = () => fail(new CompressionError('PEER_LOST', `The relay at ${url} does not answer.`, 'Start it first: webSocketRelay({ port }).', { url })) // prettier-ignore
    socket.onmessage = ({ data }: { readonly data: unknown }) => {
      if (data instanceof ArrayBuffer) return box.put(new DataView(data).getUint32(0, true), new Uint8Array(data, ADDRESS))
      const notice = JSON.parse(String(data)) as Notice
      if (notice.what === 'gone') box.lose(notice.rank, 'it left the relay')
      if (notice.what === 'refused') fail(new CompressionError('PEERS_DIFFER', `The relay at ${url} refused worker ${rank}: ${notice.why}.`, 'Give each worker its own rank, and all the same name and size.', { url, rank })) // prettier-ignore
      if (notice.what !== 'complete') return
      clearTimeout(late)
      resolve()
    }
  })
  socket.onerror = () => {}
  socket.onclose = () => {
    if (!isClosing) for (let other = 0; other < size; other++) if (other !== rank) box.lose(other, 'the relay is gone')
  }
  return {
    rank,
    size,
    send: async (to, bytes) => {
      while (socket.readyState === 1 && socket.bufferedAmount > WAITING) await sleep(LOOK)
      if (socket.readyState !== 1) throw lost(to, 'the relay is gone')
      socket.send(addressed(to, bytes))
    },
    receive: (from, within) => box.take(from, within),
    close: async () => {
      isClosing = true
      while (socket.readyState === 1 && socket.bufferedAmount > 0) await sleep(LOOK)
      await new Promise<void>(resolve => {
        socket.onclose = () => resolve()
        if (socket.readyState === 3) resolve()
        else socket.close()
      })
    },
  }
}
