import { CompressionError } from '@tersor/tensor'
import { addInto } from '@tersor/kernels/vectors'

/** Bytes from one worker to another, in order: what a transport provides. */
export interface Link {
  readonly rank: number
  readonly size: number
  /** Resolves when the bytes may be changed again. Throws PEER_LOST. */
  send(to: number, bytes: Uint8Array): Promise<void>
  /** The next message of a worker; undefined where the signal comes first, and the message is the next one's then. Throws PEER_LOST. */
  receive(from: number, within?: AbortSignal): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

/** What left and arrived, counted where it did: payloads without the four bytes before each, which number the rounds. */
export interface Traffic {
  readonly sent: number
  readonly received: number
  readonly messages: number
}

/** Workers that do the same things in the same order. */
export interface Collective {
  readonly rank: number
  readonly size: number
  readonly traffic: Traffic
  /** The sum over all workers in the place of the values, on every worker the same bits: each part is summed along the ring in one order. */
  sum(values: Float32Array): Promise<void>
  /** What each worker gave, by rank; lengths may differ. Who has not given anything when the signal comes is undefined, and what it gives later is dropped. */
  gather(bytes: Uint8Array, within?: AbortSignal): Promise<readonly (Uint8Array | undefined)[]>
  /** What each worker gave, on one of them alone, by rank, as `gather` does; nothing on the others. */
  collect(bytes: Uint8Array, to: number, within?: AbortSignal): Promise<readonly (Uint8Array | undefined)[] | undefined>
  /** Part i goes to worker i; what each worker had for this one, by rank. Throws BAD_OPTION for another number of parts. */
  spread(parts: readonly Uint8Array[]): Promise<readonly Uint8Array[]>
  /** What one worker gave, on all. */
  broadcast(bytes: Uint8Array | undefined, from: number): Promise<Uint8Array>
  close(): Promise<void>
}

const HEADER = 4

const withRound = (round: number, bytes: Uint8Array): Uint8Array => {
  const message = new Uint8Array(HEADER + bytes.byteLength)
  new DataView(message.buffer).setUint32(0, round, true)
  message.set(bytes, HEADER)
  return message
}

const asBytes = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)
const asFloats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer)

/** Where part i of so many begins and ends: sizes differ by one at most. */
const partOf = (length: number, parts: number, i: number): readonly [from: number, to: number] => [
  Math.floor((length * i) / parts),
  Math.floor((length * (i + 1)) / parts),
]

const otherLength = (what: string, got: number, expected: number): CompressionError =>
  new CompressionError('PEERS_DIFFER', `A ${what} of ${got} bytes came where ${expected} were expected.`, 'Run the same program with the same model on all workers.', { got, expected }) // prettier-ignore

/** Messages that know their round, counted. */
interface Post extends Pick<Collective, 'rank' | 'size' | 'traffic'> {
  /** The number of the next round: they are counted alike everywhere. */
  round(): number
  send(to: number, bytes: Uint8Array, at: number): Promise<void>
  /** What a worker gave in a round; what is of an earlier one comes from a worker that was not waited for. */
  receive(from: number, at: number, within?: AbortSignal): Promise<Uint8Array | undefined>
}

const postOver = (link: Link): Post => {
  const { rank, size } = link
  let [sent, received, messages, round] = [0, 0, 0, 0]
  return {
    rank,
    size,
    get traffic() {
      return { sent, received, messages }
    },
    round: () => round++,
    send: async (to, bytes, at) => {
      sent += bytes.byteLength
      messages++
      await link.send(to, withRound(at, bytes))
    },
    receive: async (from, at, within) => {
      for (;;) {
        const message = await link.receive(from, within)
        if (message === undefined) return undefined
        if (message.byteLength < HEADER) throw otherLength('message', message.byteLength, HEADER)
        received += message.byteLength - HEADER
        if (new DataView(message.buffer, message.byteOffset).getUint32(0, true) === at) return message.subarray(HEADER)
      }
    },
  }
}

/** Sums around the ring: parts are added up on their way, and then go round once more. */
const sumAround = async ({ rank, size, send, receive }: Post, values: Float32Array, at: number): Promise<void> => {
  const part = (offset: number): Float32Array => values.subarray(...partOf(values.length, size, (((rank + offset) % size) + size) % size))
  const pass = async (out: Float32Array, into: Float32Array, take: (got: Float32Array) => void): Promise<void> => {
    const [, got] = await Promise.all([send((rank + 1) % size, asBytes(out), at), receive((rank + size - 1) % size, at)])
    if (got!.byteLength !== into.byteLength) throw otherLength('part of a sum', got!.byteLength, into.byteLength)
    take(asFloats(got!))
  }
  for (let step = 0; step < size - 1; step++) {
    const into = part(-step - 1)
    await pass(part(-step), into, got => addInto(into, got))
  }
  for (let step = 0; step < size - 1; step++) {
    const into = part(-step)
    await pass(part(1 - step), into, got => into.set(got))
  }
}

/**
 * What workers do together over a link: sums around a ring, 2 (N − 1) / N of the bytes a worker; all else from each to each.
 * Throws PEER_LOST where a worker is gone, and PEERS_DIFFER where it sends something of another length.
 */
export const collectiveOver = (link: Link): Collective => {
  const post = postOver(link)
  const { rank, size, send, receive } = post
  const others = Array.from({ length: size - 1 }, (_, i) => (rank + 1 + i) % size)
  return {
    rank,
    size,
    get traffic() {
      return post.traffic
    },
    sum: values => sumAround(post, values, post.round()),
    gather: async (bytes, within) => {
      const at = post.round()
      const all = Array.from<Uint8Array | undefined>({ length: size })
      all[rank] = bytes.slice()
      await Promise.all(others.flatMap(to => [send(to, bytes, at), receive(to, at, within).then(got => (all[to] = got?.slice()))]))
      return all
    },
    collect: async (bytes, to, within) => {
      const at = post.round()
      if (rank !== to) return send(to, bytes, at).then(() => undefined)
      const all = Array.from<Uint8Array | undefined>({ length: size })
      all[rank] = bytes.slice()
      await Promise.all(others.map(from => receive(from, at, within).then(got => (all[from] = got?.slice()))))
      return all
    },
    spread: async parts => {
      if (parts.length !== size)
        throw new CompressionError('BAD_OPTION', `spread got ${parts.length} parts for ${size} workers.`, 'Pass one for each.', { parts: parts.length, size }) // prettier-ignore
      const at = post.round()
      const all = Array.from<Uint8Array>({ length: size })
      all[rank] = parts[rank].slice()
      await Promise.all(others.flatMap(to => [send(to, parts[to], at), receive(to, at).then(got => (all[to] = got!.slice()))]))
      return all
    },
    broadcast: async (bytes, from) => {
      const at = post.round()
      if (rank !== from) return (await receive(from, at))!.slice()
      await Promise.all(others.map(to => send(to, bytes!, at)))
      return bytes!
    },
    close: () => link.close(),
  }
}
