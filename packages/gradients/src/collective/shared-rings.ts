import { CompressionError } from '@tersor/tensor'
import type { Link } from './collective.js'
import { framed, frameReader } from './framing.js'
import { lost, mailbox } from './mailbox.js'

/** Memory that threads of one process share: a ring of bytes from each to each. */
export interface SharedRings {
  readonly size: number
  readonly capacity: number
  /** Of each ring, what was ever written and read, modulo 2³²; and of each thread, whether it is gone: (2 size² + size). */
  readonly counts: SharedArrayBuffer
  /** (size²)(capacity). */
  readonly bytes: SharedArrayBuffer
}

export interface SharedRingsOptions {
  readonly size: number
  /** Bytes of each ring, a power of two; 2^20 where absent. Longer messages pass through in pieces. */
  readonly capacity?: number
}

/** Throws BAD_OPTION. */
export const sharedRings = ({ size, capacity = 2 ** 20 }: SharedRingsOptions): SharedRings => {
  if (!(Number.isInteger(size) && size >= 1)) throw new CompressionError('BAD_OPTION', `sharedRings got a size of ${size}.`, 'Pass a positive integer: the threads.', { size }) // prettier-ignore
  if (!(Number.isInteger(Math.log2(capacity)) && capacity >= 8 && capacity <= 2 ** 30))
    throw new CompressionError('BAD_OPTION', `sharedRings got a capacity of ${capacity}.`, 'Pass a power of two from 8 to 2^30.', { capacity }) // prettier-ignore
  return {
    size,
    capacity,
    counts: new SharedArrayBuffer(4 * (2 * size * size + size)),
    bytes: new SharedArrayBuffer(size * size * capacity),
  }
}

type WaitAsync = (
  counts: Int32Array,
  at: number,
  value: number,
  timeout: number,
) => { readonly async: boolean; readonly value: Promise<string> | string }
const { waitAsync } = Atomics as unknown as { readonly waitAsync: WaitAsync }

/** How long a thread waits before it looks again whether another one is gone, in ms: it may have gone between the last look and the waiting. */
const LOOK = 500

/** Resolves when a count may be another one than this. */
const changed = async (counts: Int32Array, at: number, from: number): Promise<void> => {
  const { async: isAsync, value } = waitAsync(counts, at, from, LOOK)
  if (isAsync) await value
}

/** Says that a thread is gone, and wakes all who wait for it. */
export const loseThread = ({ size, counts: shared }: SharedRings, rank: number): void => {
  const counts = new Int32Array(shared)
  Atomics.store(counts, 2 * size * size + rank, 1)
  for (let at = 0; at < 2 * size * size; at++) Atomics.notify(counts, at)
}

interface Ring {
  readonly counts: Int32Array
  readonly bytes: Uint8Array
  /** Where the numbers of bytes written and read stand. */
  readonly written: number
  readonly read: number
}

const ringOf = ({ size, capacity, counts, bytes }: SharedRings, from: number, to: number): Ring => {
  const at = from * size + to
  return { counts: new Int32Array(counts), bytes: new Uint8Array(bytes, at * capacity, capacity), written: 2 * at, read: 2 * at + 1 }
}

/** So many bytes from a place of a ring on, around its end. */
const copyIn = (ring: Uint8Array, at: number, from: Uint8Array): void => {
  const first = Math.min(from.byteLength, ring.byteLength - at)
  ring.set(from.subarray(0, first), at)
  ring.set(from.subarray(first), 0)
}

const copyOut = (ring: Uint8Array, at: number, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  const first = Math.min(length, ring.byteLength - at)
  out.set(ring.subarray(at, at + first))
  out.set(ring.subarray(0, length - first), first)
  return out
}

/** Writes a message, in pieces as there is room. Throws PEER_LOST where the reader is gone. */
const write = async ({ counts, bytes, written, read }: Ring, message: Uint8Array, isGone: () => boolean, to: number): Promise<void> => {
  for (let at = 0; at < message.byteLength;) {
    if (isGone()) throw lost(to, 'its thread has ended')
    const [head, tail] = [Atomics.load(counts, written), Atomics.load(counts, read)]
    const room = bytes.byteLength - ((head - tail) >>> 0)
    if (room === 0) {
      await changed(counts, read, tail)
      continue
    }
    const piece = message.subarray(at, at + room)
    copyIn(bytes, (head >>> 0) % bytes.byteLength, piece)
    at += piece.byteLength
    Atomics.store(counts, written, (head + piece.byteLength) | 0)
    Atomics.notify(counts, written)
  }
}

/** Gives on what is written until the writer is gone and nothing is left, or this side is closed. */
const pump = async (
  { counts, bytes, written, read }: Ring,
  isGone: () => boolean,
  isClosed: () => boolean,
  give: (piece: Uint8Array) => void,
): Promise<void> => {
  // prettier-ignore
  while (!isClosed()) {
    const [head, tail] = [Atomics.load(counts, written), Atomics.load(counts, read)]
    const length = (head - tail) >>> 0
    if (length > 0) {
      give(copyOut(bytes, (tail >>> 0) % bytes.byteLength, length))
      Atomics.store(counts, read, head)
      Atomics.notify(counts, read)
    } else if (isGone()) return
    else await changed(counts, written, head)
  }
}

/** How often a thread that waits for shared memory is kept alive, in ms. */
const ALIVE = 10_000

/** One thread's side of such memory. */
export const linkOver = (rings: SharedRings, rank: number): Link => {
  const { size } = rings
  if (!(Number.isInteger(rank) && rank >= 0 && rank < size)) throw new CompressionError('BAD_OPTION', `linkOver got rank ${rank} of ${size}.`, 'Pass a rank from 0 on, below the size.', { rank, size }) // prettier-ignore
  const counts = new Int32Array(rings.counts)
  const box = mailbox(size)
  const isGone = (other: number): boolean => Atomics.load(counts, 2 * size * size + other) === 1
  let isClosed = false
  const alive = setInterval(() => {}, ALIVE) // waiting for memory alone does not keep Node running
  const others = Array.from({ length: size }, (_, i) => i).filter(i => i !== rank)
  const queues = others.map(() => Promise.resolve())
  for (const from of others) {
    const read = frameReader(bytes => box.put(from, bytes))
    void pump(ringOf(rings, from, rank), () => isGone(from), () => isClosed, read).then(() => isClosed || box.lose(from, 'its thread has ended')) // prettier-ignore
  }
  return {
    rank,
    size,
    send: (to, bytes) => {
      const at = others.indexOf(to)
      const message = framed(bytes)
      const next = queues[at].then(() => write(ringOf(rings, rank, to), message, () => isGone(to), to))
      queues[at] = next.catch(() => {})
      return next
    },
    receive: (from, within) => box.take(from, within),
    close: async () => {
      await Promise.all(queues)
      isClosed = true
      clearInterval(alive)
      loseThread(rings, rank)
    },
  }
}
