import type { Machine } from '../speed/machine.js'
import { ROWS } from './rows.js'

interface Side {
  /** The median. */
  readonly seconds: number
  /** The largest. */
  readonly peakBytes: number
}

export interface Measured {
  readonly name: string
  readonly ours: Side
  readonly theirs?: Side
  /** The median over the pairs of the peer's time to ours. */
  readonly ratio?: number
  readonly load: number
  /** How often each side ran. */
  readonly pairs: number
  readonly date: string
}

export interface Report {
  readonly machine: Machine
  readonly threads: number
  /** Of the checkpoint's weights. */
  readonly bytes: number
  readonly results: readonly Measured[]
}

const HEAD = ['command', 'Tersor', 'memory', 'peer', 'memory', 'ratio', 'target', '', 'pairs', 'load', 'UTC']

const sideOf = ({ seconds, peakBytes }: Side): readonly string[] => [
  `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`,
  `${(peakBytes / 1e9).toFixed(2)} GB`,
]

/** What a report says, in Markdown. */
export const tableOf = ({ machine, threads, bytes, results }: Report): string => {
  const rows = ROWS.flatMap(({ name, peer, target = 0, limit = Infinity }) => {
    const result = results.find(each => each.name === name)
    if (!result) return []
    const { ours, theirs, ratio, load, pairs, date } = result
    const [seconds, memory] = theirs ? sideOf(theirs) : []
    const isReached = ratio === undefined ? ours.seconds <= limit : ratio >= target
    const bound = ratio === undefined ? `${limit} s` : String(target)
    const cells = [theirs ? `${peer}: ${seconds}` : '', memory ?? '', ratio?.toFixed(2) ?? '', bound, isReached ? 'reached' : 'missed']
    return [[`\`${name}\``, ...sideOf(ours), ...cells, String(pairs), load.toFixed(1), date.slice(0, 16).replace('T', ' ')]]
  })
  const lines = [HEAD, HEAD.map((_, i) => ([0, 3, 7].includes(i) ? '---' : '---:')), ...rows]
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.memory} GiB, ${machine.system}, Node ${machine.node}; ${threads} threads; a Llama of ${(bytes / 1e6).toFixed(0)} MB of bf16; medians.`,
    lines.map(cells => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n')
}
