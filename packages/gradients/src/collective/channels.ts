import { CompressionError } from '@tersor/tensor'
import type { Link } from './collective.js'
import { framed, frameReader } from './framing.js'
import { lost, mailbox } from './mailbox.js'

/** What is used of an RTCDataChannel, ordered and reliable, of a browser or of a library. */
export interface DataChannel {
  readonly readyState: string
  readonly bufferedAmount: number
  binaryType?: string
  onopen?: ((event: any) => void) | null | undefined
  onmessage?: ((event: any) => void) | null | undefined
  onclose?: ((event: any) => void) | null | undefined
  send(data: any): void
  close(): void
}

export interface ChannelsOptions {
  readonly rank: number
  /** The channel to each worker, by rank; none to oneself. How they found each other is the page's. */
  readonly channels: readonly (DataChannel | undefined)[]
  /** Bytes of a piece: 16,384 where absent, which every browser takes; up to 65,535 between new ones. */
  readonly piece?: number
  /** Milliseconds to wait for channels to open; 30,000 where absent. */
  readonly timeout?: number
}

/** Bytes that may wait in a channel before the next piece does, and how long it looks again after, in ms. */
const [WAITING, LOOK] = [2 ** 20, 2]

const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds))

const opened = async (channel: DataChannel, rank: number, timeout: number): Promise<void> => {
  const until = performance.now() + timeout
  while (channel.readyState !== 'open') {
    if (channel.readyState === 'closed') throw lost(rank, 'its channel was closed')
    if (performance.now() > until)
      throw new CompressionError('PEER_LOST', `The channel to worker ${rank} did not open within ${timeout} ms.`, 'Exchange descriptions and candidates of both sides first.', { rank }) // prettier-ignore
    await sleep(LOOK)
  }
}

/** One after the other: pieces of two messages must not mix. */
const sender = (channel: DataChannel, rank: number, piece: number): ((bytes: Uint8Array) => Promise<void>) => {
  let last: Promise<void> = Promise.resolve()
  const send = async (bytes: Uint8Array): Promise<void> => {
    const whole = framed(bytes)
    for (let at = 0; at < whole.byteLength; at += piece) {
      while (channel.readyState === 'open' && channel.bufferedAmount > WAITING) await sleep(LOOK)
      if (channel.readyState !== 'open') throw lost(rank, 'its channel was closed')
      channel.send(whole.slice(at, at + piece))
    }
  }
  return bytes => {
    const next = last.then(() => send(bytes))
    last = next.catch(() => {})
    return next
  }
}

/** Binary data as a library or a browser gives it. */
const bytesOfData = (data: ArrayBuffer | Uint8Array): Uint8Array => (data instanceof Uint8Array ? data : new Uint8Array(data))

/** What was sent leaves before the channel closes. */
const drained = async (channel: DataChannel): Promise<void> => {
  while (channel.readyState === 'open' && channel.bufferedAmount > 0) await sleep(LOOK)
}

/**
 * Workers that reach each other by WebRTC data channels, one between each two, ordered and reliable. Messages travel in pieces that channels take, and
 * wait while a channel holds more than a mebibyte. Throws BAD_OPTION; PEER_LOST for a channel that does not open in time.
 */
export const channels = async ({ rank, channels: all, piece = 16_384, timeout = 30_000 }: ChannelsOptions): Promise<Link> => {
  const size = all.length
  const others = [...all.entries()].filter(([i]) => i !== rank)
  const absent = others.find(([, channel]) => !channel)
  if (!(Number.isInteger(rank) && rank >= 0 && rank < size) || absent)
    throw new CompressionError('BAD_OPTION', `channels got rank ${rank} and ${absent ? `no channel to ${absent[0]}` : `${size} places`}.`, 'Pass a channel to each other worker, by rank.', { rank, size }) // prettier-ignore
  if (!(Number.isInteger(piece) && piece >= 1 && piece < 65_536))
    throw new CompressionError('BAD_OPTION', `channels got pieces of ${piece} bytes.`, 'Pass an integer from 1 to 65,535.', { piece })
  const box = mailbox(size)
  for (const [from, channel] of others as [number, DataChannel][]) {
    const read = frameReader(bytes => box.put(from, bytes))
    channel.binaryType = 'arraybuffer'
    channel.onmessage = ({ data }: { readonly data: ArrayBuffer | Uint8Array }) => read(bytesOfData(data))
    channel.onclose = () => box.lose(from, 'its channel was closed')
  }
  for (const [from, channel] of others as [number, DataChannel][]) await opened(channel, from, timeout)
  const senders = all.map((channel, to) => sender(channel as DataChannel, to, piece)) // nobody sends to oneself
  return {
    rank,
    size,
    send: (to, bytes) => senders[to](bytes),
    receive: (from, within) => box.take(from, within),
    close: async () => {
      await Promise.all(others.map(([, channel]) => drained(channel!)))
      others.forEach(([, channel]) => channel!.close())
    },
  }
}
