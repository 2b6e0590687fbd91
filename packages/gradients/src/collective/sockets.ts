import { CompressionError } from '@tersor/tensor'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Link } from './collective.js'
import { framed, frameReader } from './framing.js'
import { lost, mailbox, type Mailbox } from './mailbox.js'

export interface SocketOptions {
  readonly rank: number
  /** Where each worker listens, by rank: "host:port", or the path of a local socket. */
  readonly addresses: readonly string[]
  /** Milliseconds to wait for the others to appear; 30,000 where absent. */
  readonly timeout?: number
}

const RETRY = 50

const addressOf = (text: string): { readonly path: string } | { readonly host: string; readonly port: number } => {
  const match = /^(.*):(\d+)$/.exec(text)
  return match ? { host: match[1], port: Number(match[2]) } : { path: text }
}

/** Calls back for each whole message of a stream. */
const unframed = (socket: Socket, take: (bytes: Uint8Array) => void): void => {
  const read = frameReader(take)
  socket.on('data', (data: Buffer) => read(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))
}

const listen = async (address: string, meet: (socket: Socket) => void): Promise<Server> => {
  const server = createServer(meet)
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(addressOf(address), resolve))
  return server
}

/** A connection to a worker that may not listen yet. */
const connect = async (rank: number, address: string, until: number): Promise<Socket> => {
  for (;;) {
    const socket = createConnection(addressOf(address))
    const failure = await new Promise<Error | undefined>(resolve => socket.once('connect', () => resolve(undefined)).once('error', resolve))
    if (!failure) return socket
    if (performance.now() > until)
      throw new CompressionError('PEER_LOST', `Worker ${rank} does not answer at ${address}: ${failure.message}.`, 'Start all workers within the timeout, with the same addresses.', { rank, address }, failure) // prettier-ignore
    await sleep(RETRY)
  }
}

/** Puts what comes from a worker in its box, and says when it is gone; where it is not known yet, its first message is its rank. */
const attend = (socket: Socket, known: number | undefined, box: Mailbox, meet: (from: number) => void): void => {
  let from = known
  socket.setNoDelay(true)
  unframed(socket, bytes => {
    if (from !== undefined) return box.put(from, bytes)
    from = new DataView(bytes.buffer).getUint32(0, true)
    meet(from)
  })
  const gone = (why: string): void => void (from !== undefined && box.lose(from, why))
  socket.on('error', error => gone(error.message))
  socket.on('close', () => gone('it closed its connection'))
}

/**
 * Processes or machines that reach each other by sockets: each worker listens at its own address and connects to those before it.
 * Throws BAD_OPTION; PEER_LOST for a worker that does not appear in time.
 */
export const sockets = async ({ rank, addresses, timeout = 30_000 }: SocketOptions): Promise<Link> => {
  const size = addresses.length
  if (!(Number.isInteger(rank) && rank >= 0 && rank < size))
    throw new CompressionError('BAD_OPTION', `sockets got rank ${rank} of ${size} addresses.`, 'Pass a rank from 0 on, below the number of addresses.', { rank, size }) // prettier-ignore
  const until = performance.now() + timeout
  const box = mailbox(size)
  const found: (Socket | undefined)[] = Array.from({ length: size })
  let seen = (): void => {}
  const complete = new Promise<void>(resolve => (seen = resolve))
  const missing = (): number => found.findIndex((socket, i) => i !== rank && !socket)
  const socketTo = (to: number): Socket => found[to] as Socket
  const join = (socket: Socket, from: number): void => {
    found[from] = socket
    if (missing() < 0) seen()
  }
  const server = await listen(addresses[rank], socket => attend(socket, undefined, box, from => join(socket, from)))
  const giveUp = (error: CompressionError): never => {
    found.forEach(socket => socket?.destroy())
    server.close()
    throw error
  }
  for (let other = 0; other < rank; other++) {
    const socket = await connect(other, addresses[other], until).catch(giveUp)
    socket.write(framed(new Uint8Array(Uint32Array.of(rank).buffer)))
    attend(socket, other, box, () => {})
    join(socket, other)
  }
  if (size === 1) seen()
  const late = sleep(Math.max(0, until - performance.now()), 'late', { ref: false })
  if ((await Promise.race([complete, late])) === 'late')
    giveUp(new CompressionError('PEER_LOST', `Worker ${missing()} did not appear within ${timeout} ms.`, 'Start all workers within the timeout, with the same addresses.', { rank: missing() })) // prettier-ignore
  return {
    rank,
    size,
    send: (to, bytes) =>
      new Promise<void>((resolve, reject) => {
        socketTo(to).write(framed(bytes), error => (error ? reject(lost(to, error.message)) : resolve()))
      }),
    receive: (from, within) => box.take(from, within),
    close: async () => {
      server.close()
      await Promise.all(found.map(socket => socket && !socket.destroyed && new Promise<void>(resolve => socket.end(() => resolve()))))
    },
  }
}
