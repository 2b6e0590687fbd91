import { CompressionError } from '@tersor/tensor'

/** Messages of other workers that wait to be taken, in order for each. */
export interface Mailbox {
  put(from: number, bytes: Uint8Array): void
  take(from: number, within?: AbortSignal): Promise<Uint8Array | undefined>
  /** A worker is gone: who waits for it, now or later, and whose messages are taken, gets the error. */
  lose(from: number, why: string): void
}

export const lost = (rank: number, why: string): CompressionError =>
  new CompressionError('PEER_LOST', `Worker ${rank} is gone: ${why}.`, 'Start the workers again; a training with a checkpoint goes on from there.', { rank }) // prettier-ignore

interface Box {
  readonly messages: Uint8Array[]
  readonly waiting: { readonly give: (bytes: Uint8Array) => void; readonly fail: (error: Error) => void }[]
  gone?: CompressionError
}

export const mailbox = (size: number): Mailbox => {
  const boxes = Array.from({ length: size }, (): Box => ({ messages: [], waiting: [] }))
  return {
    put: (from, bytes) => {
      const next = boxes[from].waiting.shift()
      if (next) next.give(bytes)
      else boxes[from].messages.push(bytes)
    },
    take: (from, within) => {
      const { messages, waiting, gone } = boxes[from]
      if (within?.aborted) return Promise.resolve(undefined)
      if (messages.length > 0) return Promise.resolve(messages.shift())
      if (gone) return Promise.reject(gone)
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.splice(waiting.indexOf(waiter), 1)
          resolve(undefined)
        }
        const done = (): void => within?.removeEventListener('abort', leave)
        const waiter = { give: (bytes: Uint8Array) => (done(), resolve(bytes)), fail: (error: Error) => (done(), reject(error)) }
        waiting.push(waiter)
        within?.addEventListener('abort', leave, { once: true })
      })
    },
    lose: (from, why) => {
      const box = boxes[from]
      box.gone ??= lost(from, why)
      box.waiting.splice(0).forEach(({ fail }) => fail(box.gone!))
    },
  }
}
