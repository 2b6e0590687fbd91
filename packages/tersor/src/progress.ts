import { SingleBar } from 'cli-progress'
import type { ProgressEvent } from '@tersor/core'
import { note, paint, type Terminal } from './output.js'

export interface Progress {
  readonly onProgress: (event: ProgressEvent) => void
  readonly advance: (done: number, of: number, label: string) => void
  stop(): void
}

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
  const warn = (text: string): void => {
    bar?.stop()
    running = ''
    note(terminal, `${paint(terminal, 'warning', 'yellow')} ${text}`)
  }
  let step = ''
  const handlers: Partial<Record<ProgressEvent['type'], (event: any) => void>> = {
    pass: ({ pass, index, of }) => (step = of > 1 ? `${pass} (${index + 1} of ${of})` : pass),
    stage: ({ stage, index, of }) => show(step, index, of, stage),
    resumed: ({ stage, index, of }) => show(step, index, of, `${stage} (finished before)`),
    warning: ({ site, message }) => warn(site ? `${site}: ${message}` : message),
  }
  return {
    onProgress: event => handlers[event.type]?.(event),
    advance: (done, of, label) => show(label, done, of, ''),
    stop: () => bar?.stop(),
  }
}
