import { addLayer, clearChart } from './chart.js'
import { offerChat } from './chat.js'
import { addPiece, offerComparison, showOutputs } from './comparing.js'
import { showResult } from './downloads.js'
import { listenForFiles } from './dropped-files.js'
import { element, show } from './elements.js'
import type { Answer, ModelFacts, Request } from './messages.js'
import { offerOptions, type Chosen } from './options.js'

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
const ask = (request: Request): void => worker.postMessage(request)

let facts: ModelFacts | undefined

/** While something runs, what would start something else waits. */
const setBusy = (busy: boolean): void => {
  for (const button of document.querySelectorAll<HTMLButtonElement>('form button[type=submit], #run-outputs')) button.disabled = busy
  show('stop', busy && facts !== undefined)
  show('progress', busy && facts !== undefined)
  if (!busy) element('progress-text').textContent = ''
  document.body.toggleAttribute('data-busy', busy)
}

const hideAll = (...ids: readonly string[]): void => ids.forEach(id => show(id, false))

const fail = (what: string, remedy: string): void => {
  element('failure').querySelector('.what')!.textContent = what
  element('failure').querySelector('.remedy')!.textContent = remedy
  show('failure', true)
  setBusy(false)
}

const compress = async ({ target, bits, text }: Chosen): Promise<void> => {
  hideAll('failure', 'result', 'compare')
  clearChart()
  element<HTMLProgressElement>('progress').removeAttribute('value')
  setBusy(true)
  ask({ type: 'compress', target, bits, text: text && (await text.text()) })
}

const busily = (request: Request): void => {
  hideAll('failure')
  setBusy(true)
  ask(request)
}

const comparison = {
  texts: (prompt: string, tokens: number): void => busily({ type: 'continue', prompt, tokens }),
  outputs: (): void => busily({ type: 'outputs' }),
}

type Handlers = { readonly [T in Answer['type']]: (answer: Extract<Answer, { type: T }>) => void }

const HANDLERS: Handlers = {
  engine: ({ text }) => void (element('engine').textContent = text),
  opened: ({ model }) => {
    facts = model
    setBusy(false)
    offerOptions(model, chosen => void compress(chosen))
  },
  advanced: ({ label, done, of }) => {
    element<HTMLProgressElement>('progress').value = done / of
    element('progress-text').textContent = `${label}, ${done} of ${of}`
  },
  layer: ({ layer, error }) => addLayer(layer, error),
  compressed: ({ result }) => {
    setBusy(false)
    showResult(result)
    offerComparison(facts!, comparison)
  },
  piece: ({ side, text }) => addPiece(side, text),
  continued: () => setBusy(false),
  outputs: ({ outputs }) => {
    setBusy(false)
    showOutputs(outputs)
  },
  stopped: () => setBusy(false),
  failed: ({ what, remedy }) => fail(what, remedy),
}

worker.onmessage = ({ data }: MessageEvent<Answer>) => HANDLERS[data.type](data as never)
worker.onerror = ({ message }) => fail(`The worker of this page stopped: ${message}.`, 'Reload the page.')
element('stop').onclick = () => ask({ type: 'stop' })
listenForFiles(files => {
  if (files.length === 0) return
  hideAll('failure', 'choose', 'result', 'compare')
  clearChart()
  facts = undefined
  setBusy(true)
  ask({ type: 'open', files })
})
ask({ type: 'start', engine: new URLSearchParams(location.search).get('engine') ?? undefined })
void offerChat()
