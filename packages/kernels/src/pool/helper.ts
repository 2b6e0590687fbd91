import { CompressionError } from '@tersor/tensor'
import { WORKER_CODE } from './worker-code.js'
import type { Order, Reply } from './worker.js'

/** A worker thread of Node or of a browser. */
export interface Thread {
  post(order: Order): void
  /** Whether the process has to wait for it. */
  hold(held: boolean): void
  stop(): void
}

export interface Listener {
  reply(reply: Reply): void
  /** It has ended, or could not start. */
  end(reason: unknown): void
}

/** Starts a thread; undefined where there are none, or no memory that threads could share. */
export type StartThread = (listener: Listener) => Thread | undefined

interface NodeWorker {
  postMessage(message: Order): void
  on(type: string, listener: (value: never) => void): void
  ref(): void
  unref(): void
  terminate(): unknown
}

type NodeThreads = { readonly Worker: new (code: string, options: object) => NodeWorker }

const startInNode = ({ Worker }: NodeThreads, { reply, end }: Listener, code: string): Thread => {
  // loaders of this process, such as those for TypeScript, are of no use to the text and slow
  const worker = new Worker(code, { eval: true, execArgv: [], env: {} })
  worker.on('message', reply)
  worker.on('error', end)
  worker.on('exit', (status: number) => end(new Error(`It ended with status ${status}.`)))
  return {
    post: order => worker.postMessage(order),
    hold: held => (held ? worker.ref() : worker.unref()),
    stop: () => void worker.terminate(),
  }
}

const startInBrowser = ({ reply, end }: Listener, code: string): Thread => {
  const address = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
  const worker = new Worker(address)
  worker.onmessage = ({ data }: MessageEvent<Reply>) => reply(data)
  worker.onerror = ({ message }) => end(new Error(message || 'It could not start.'))
  return { post: order => worker.postMessage(order), hold: () => {}, stop: () => worker.terminate() }
}

/** Starts the code of workers, or the given one, wherever this runs. */
export const startThread =
  (code = WORKER_CODE): StartThread =>
  listener => {
    if (typeof SharedArrayBuffer === 'undefined') return undefined
    const lookUp = globalThis.process?.getBuiltinModule as ((name: 'node:worker_threads') => NodeThreads | undefined) | undefined
    const threads = lookUp?.('node:worker_threads')
    if (threads) return startInNode(threads, listener, code)
    return typeof Worker === 'undefined' ? undefined : startInBrowser(listener, code)
  }

/** A thread that answers orders. */
export interface Helper {
  /** Rejects where the thread ends before it has answered. */
  ask(order: Order): Promise<void>
  stop(): void
}

const died = (cause: unknown): CompressionError =>
  new CompressionError(
    'NO_ENGINE',
    `A worker thread ended in the middle of its work: ${(cause as Partial<Error> | undefined)?.message ?? String(cause)}`,
    'Free memory, or set TERSOR_THREADS=1 to do without threads.',
    {},
    cause,
  )

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

/** Starts a helper; undefined where no thread can be started. The process ends by itself while it has nothing to do. */
export const startHelper = (start: StartThread): Helper | undefined => {
  const waiting = new Map<number, Waiting>()
  let ended: { readonly reason: unknown } | undefined
  const settle = (id: number, answer: (who: Waiting) => void): void => {
    const who = waiting.get(id)
    waiting.delete(id)
    if (waiting.size === 0 && !ended) thread?.hold(false)
    if (who) answer(who)
  }
  const thread = start({
    reply: ({ id, error }) => settle(id, who => (error === undefined ? who.resolve() : who.reject(died(new Error(error))))),
    end: reason => {
      ended ??= { reason }
      for (const id of [...waiting.keys()]) settle(id, who => who.reject(died(ended!.reason)))
    },
  })
  if (!thread) return undefined
  thread.hold(false)
  return {
    ask: order =>
      new Promise((resolve, reject) => {
        if (ended) return reject(died(ended.reason))
        waiting.set(order.id, { resolve, reject })
        thread.hold(true)
        thread.post(order)
      }),
    stop: () => thread.stop(),
  }
}
