import { comparisonOf } from './compared.js'
import { compressOpened, type Made } from './compression.js'
import { startEngine } from './engine.js'
import type { Answer, Request } from './messages.js'
import { openDropped, type Opened } from './opened.js'

const tell = (answer: Answer): void => self.postMessage(answer)

let opened: Opened | undefined
let made: Made | undefined
let running = new AbortController()

const closeBefore = async (): Promise<void> => {
  await opened?.model.close?.()
  opened = made = undefined
}

type Handlers = { readonly [T in Request['type']]: (request: Extract<Request, { type: T }>, signal: AbortSignal) => Promise<void> | void }

const HANDLERS: Handlers = {
  start: async ({ engine }) => tell({ type: 'engine', text: await startEngine(engine) }),
  open: async ({ files }) => {
    const next = await openDropped(files)
    await closeBefore()
    opened = next
    tell({ type: 'opened', model: next.facts })
  },
  compress: async ({ target, bits, text }, signal) => {
    if (!opened) return
    made = await compressOpened(opened, { target, bits, text, signal, tell })
    tell({ type: 'compressed', result: made.result })
  },
  continue: async ({ prompt, tokens }, signal) => {
    if (!opened || !made) return
    await comparisonOf(opened, made).texts({ prompt, tokens, signal }, tell)
    tell({ type: 'continued' })
  },
  outputs: async () => {
    if (opened && made) tell({ type: 'outputs', outputs: await comparisonOf(opened, made).outputs() })
  },
  stop: () => running.abort(new DOMException('Stopped.', 'AbortError')),
}

/** Two lines, as the errors of the library have them. */
const failure = (error: unknown): Answer => {
  const { code = 'UNEXPECTED', message = String(error) } = (error ?? {}) as { readonly code?: unknown; readonly message?: string }
  const [what, ...remedy] = message.split('\n')
  const usual = 'Reload the page, and try a smaller model if it happens again.'
  return { type: 'failed', code: typeof code === 'string' ? code : 'UNEXPECTED', what, remedy: remedy.join(' ') || usual }
}

/** One request at a time, in order; `stop` goes before all. */
let last: Promise<void> = Promise.resolve()
self.onmessage = ({ data }: MessageEvent<Request>): void => {
  if (data.type === 'stop') return void HANDLERS.stop(data, running.signal)
  last = last.then(async () => {
    running = new AbortController()
    try {
      await HANDLERS[data.type](data as never, running.signal)
    } catch (error) {
      tell(running.signal.aborted ? { type: 'stopped' } : failure(error))
    }
  })
}
