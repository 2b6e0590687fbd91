import { SingleBar } from 'cli-progress'
import type { Model, ProgressEvent } from '@tersor/core'
import { note, noteWidth, paint, type Terminal } from './output.js'
import { inLines, shortened } from './table.js'

export interface Progress {
  readonly onProgress: (event: ProgressEvent) => void
  readonly advance: (done: number, of: number, label: string) => void
  /** Says which model is walked through, so that the bar moves within its stages. */
  readonly expect: (model: Model, batches: number) => void
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
/** Of the bar, and of what stands around it: percent, time left and names. */
const MOST_BAR = 24
const AROUND_BAR = 50
/** Milliseconds between lines where no terminal shows a bar. */
const BETWEEN_LINES = 1000

/** A duration as people say it: "45 s", "3 min 20 s", "2 h 5 min". */
export const durationText = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** What is shown: a bar on a terminal, a line a stage elsewhere. */
const shower = (terminal: Terminal) => {
  const columns = noteWidth(terminal)
  const isBar = terminal.err.isTTY === true && !terminal.quiet
  const bar = isBar
    ? new SingleBar({
        format: (options, { progress, value, eta }, { label, detail }: { label: string; detail: string }) => {
          const size = Math.max(6, Math.min(MOST_BAR, columns - AROUND_BAR))
          const full = Math.round(progress * size)
          const left = value > 0 && progress < 1 && Number.isFinite(eta) ? ` ${durationText(eta)} left` : ''
          const front = `${shortened(label, 24)} ${options.barCompleteString!.slice(0, full)}${options.barIncompleteString!.slice(0, size - full)} ${Math.floor(100 * progress)} %${left}`
          const room = columns - front.length - 2
          return room > 8 && detail !== '' ? `${front} ${shortened(detail, room)}` : front.slice(0, columns - 1)
        },
        ...{ hideCursor: true, clearOnComplete: true, stream: terminal.err, barsize: MOST_BAR },
      })
    : undefined
  let [running, lineAt] = ['', -Infinity]
  return {
    show: (label: string, value: number, of: number, detail: string): void => {
      if (!bar) return
      if (running !== label) {
        bar.stop()
        bar.start(of, value, { label, detail })
        running = label
      } else bar.update(Math.min(value, of), { label, detail })
    },
    line: (text: string): void => {
      if (bar) return
      note(terminal, paint(terminal, text, 'dim'))
    },
    /** A line, but not where one was written just now. */
    seldom: (text: string): void => {
      if (bar || performance.now() - lineAt < BETWEEN_LINES) return
      lineAt = performance.now()
      note(terminal, paint(terminal, text, 'dim'))
    },
    stop: (): void => {
      bar?.stop()
      running = ''
    },
  }
}

/** A bar on stderr where it is a terminal, else a line a stage; warnings as lines everywhere, each once with all its places. */
export const progressOn = (terminal: Terminal): Progress => {
  const { show, line, seldom, stop } = shower(terminal)
  /** Sites by what is to be said of them: a warning is one line, however many sites it is about. */
  const waiting = new Map<string, string[]>()
  const warn = (): void => {
    if (waiting.size === 0) return
    stop()
    for (const [text, sites] of waiting)
      note(terminal, inLines(terminal, `${paint(terminal, 'warning', 'yellow')} ${placesText(sites)}${text}`))
    waiting.clear()
  }
  let sites = new Map<string, number>()
  let [step, stage] = ['', '']
  let [at, of, done, read, batches] = [0, 1, 0, 0, 1]
  /** How far a stage is: half of it is reading inputs, where it reads them, the rest its sites. */
  const within = (): number => {
    const rounded = done / Math.max(1, sites.get(stage) ?? 1)
    return Math.min(0.99, read > 0 ? (Math.min(1, read / batches) + rounded) / 2 : rounded)
  }
  const move = (detail: string): void => show(step, at + within(), of, detail)
  const handlers: Handlers = {
    pass: ({ pass, index, of: steps }) => {
      warn()
      step = steps > 1 ? `${pass} (${index + 1} of ${steps})` : pass
    },
    stage: event => {
      stage = event.stage
      ;[at, of, done, read] = [event.index, event.of, 0, 0]
      move(stage)
      line(`${step}: ${stage}, ${at + 1} of ${of}`)
    },
    calibrated: () => {
      read++
      move(stage)
    },
    compressed: ({ site }) => {
      done++
      move(site)
    },
    resumed: ({ stage: name, index, of: stages }) => show(step, index, stages, `${name} (finished before)`),
    trained: ({ pass, step: at, of: steps, loss }) => {
      show(step || pass, at, steps, `loss ${loss.toPrecision(4)}`)
      seldom(`${step || pass}: step ${at} of ${steps}, loss ${loss.toPrecision(4)}`)
    },
    warning: ({ site, message }) => waiting.set(message, [...(waiting.get(message) ?? []), ...(site ? [site] : [])]),
  }
  return {
    onProgress: event => (handlers[event.type] as ((event: ProgressEvent) => void) | undefined)?.(event),
    advance: (value, total, label) => show(label, value, total, ''),
    expect: (model, given) => {
      batches = Math.max(1, given)
      sites = new Map(model.stages.map(({ name, sites: all }) => [name, all.length]))
    },
    stop: () => {
      warn()
      stop()
    },
  }
}
