import type { Machine } from '../speed/machine.js'
import type { Kill } from './kills.js'
import type { WholeRun } from './whole.js'

export interface Report {
  readonly machine: Machine
  readonly threads: number
  /** Processes that ran or waited when it ended. */
  readonly load: number
  readonly date: string
  readonly whole?: readonly WholeRun[]
  readonly kills?: readonly Kill[]
  readonly trainingKills?: readonly Kill[]
}

/** Issue 3: the most memory, in GB of 10⁹ bytes, and the most time against the parts measured apart. */
const MOST_MEMORY = 1.5
const MOST_TIME = 1.5

const partsOf = ({ reading, computing, writing }: WholeRun): number => reading + computing + writing
const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2)
const seconds = (value: number): string => value.toFixed(1)
const verdictOf = (run: WholeRun): string =>
  run.peakBytes / 1e9 < MOST_MEMORY && run.seconds / partsOf(run) < MOST_TIME ? 'met' : 'missed'

export const wholeText = (run: WholeRun): string =>
  `${run.step} of ${gigabytes(run.modelBytes)} GB: peak ${gigabytes(run.peakBytes)} GB, ${seconds(run.seconds)} s; reading ${seconds(run.reading)} s, computing ${seconds(run.computing)} s, writing ${seconds(run.writing)} s; ratio ${(run.seconds / partsOf(run)).toFixed(2)}; ${verdictOf(run)}`

export const killText = ({ after, units, same }: Kill): string =>
  `killed after ${after.toFixed(2)} s with ${units} units on the disk: ${same ? 'identical bytes' : 'OTHER BYTES'}`

const HEAD = ['step', 'model', 'calibration', 'peak memory', 'whole run', 'reading', 'computing', 'writing', 'ratio', 'targets']

const rowOf = (run: WholeRun): readonly string[] => [
  run.step,
  `${gigabytes(run.modelBytes)} GB`,
  run.tokens === 0 ? '' : `${run.tokens} tokens`,
  `${gigabytes(run.peakBytes)} GB`,
  `${seconds(run.seconds)} s`,
  `${seconds(run.reading)} s`,
  `${seconds(run.computing)} s`,
  `${seconds(run.writing)} s`,
  (run.seconds / partsOf(run)).toFixed(2),
  verdictOf(run),
]

/** What a report says, in Markdown. */
export const tableOf = ({ machine, threads, load, date, whole = [], kills = [], trainingKills = [] }: Report): string => {
  const lines = [HEAD, HEAD.map((_, i) => (i < 3 || i === 9 ? '---' : '---:')), ...whole.map(rowOf)]
  const killedText = (what: string, of: readonly Kill[]): readonly string[] =>
    of.length === 0
      ? []
      : [`${what}, killed and resumed: ${of.filter(({ same }) => same).length} of ${of.length} ended in identical bytes.`]
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.memory} GiB, ${machine.system}, Node ${machine.node}; ${threads} threads; load ${load} at the end; ${date.slice(0, 16).replace('T', ' ')} UTC.`,
    ...(whole.length > 0 ? [lines.map(cells => `| ${cells.join(' | ')} |`).join('\n')] : []),
    ...killedText('Compressions', kills),
    ...killedText('Trainings', trainingKills),
  ].join('\n\n')
}
