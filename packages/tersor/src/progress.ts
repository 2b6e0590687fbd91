import { SingleBar } from 'cli-progress'
import type { ProgressEvent } from '@tersor/core'
import { note, paint, type Terminal } from './output.js'

export interface Progress {
  readonly onProgress: (event: ProgressEvent) => void
  readonly advance: (done: number, of: number, label: string) => void
  stop(): void
}

type Handlers = { readonly [T in ProgressEvent['type']]?: (event: Extract<ProgressEvent, { readonly type: T }>) => void }

/** The places of a warning: the first few by name. */
const placesText = (sites: readonly string[]): string => {
  if (sites.length === 0) return ''
  const others = sites.length - NAMED_SITES
  return `${sites.slice(0, NAMED_SITES).join(', ')}${others > 0 ? ` and ${others} other${others > 1 ? 's' : ''}` : ''}: `
}

const NAMED_SITES = 3

/** A bar on stderr where it is a terminal; warnings as lines everywhere. */
export const progressOn = (terminal: Terminal): Progress => {
  const shown = terminal.err.isTTY === true && !terminal.quiet
  const bar = shown
    ? new SingleBar({
        format: '{label} {bar} {value}/{total} {detail}',
        hideCursor: true,
        clearOnComplete: true,
        stream: terminal.err,
        barsize: 24,
      })
    : undefined
  let running = ''
  const show = (label: string, value: number, of: number, detail: string): void => {
    if (!bar) return
    if (running !== label) {
      bar.stop()
      bar.start(of, value, { label, detail })
      running = label
    } else bar.update(value, { label, detail })
  }
  /** Sites by what is to be said of them: a warning is one line, however many sites it is about. */
  const waiting = new Map<string, string[]>()
  const warn = (): void => {
    if (waiting.size === 0) return
    bar?.stop()
    running = ''
    for (const [text, sites] of waiting) note(terminal, `${paint(terminal, 'warning', 'yellow')} ${placesText(sites)}${text}`)
    waiting.clear()
  }
  let step = ''
  const handlers: Handlers = {
    pass: ({ pass, index, of }) => {
      warn()
      step = of > 1 ? `${pass} (${index + 1} of ${of})` : pass
    },
    stage: ({ stage, index, of }) => show(step, index, of, stage),
    resumed: ({ stage, index, of }) => show(step, index, of, `${stage} (finished before)`),
    trained: ({ pass, step: done, of, loss }) => show(step || pass, done, of, `loss ${loss.toPrecision(4)}`),
    warning: ({ site, message }) => waiting.set(message, [...(waiting.get(message) ?? []), ...(site ? [site] : [])]),
  }
  return {
    onProgress: event => (handlers[event.type] as ((event: ProgressEvent) => void) | undefined)?.(event),
    advance: (done, of, label) => show(label, done, of, ''),
    stop: () => {
      warn()
      bar?.stop()
    },
  }
}
