import { type Rng } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { decodingWeights } from './cyclic-code.js'
import type { CodingScheme, Ledger, Task } from './gradient-coding.js'

/** How long a worker takes in a round for so much of a job's data. */
export type StragglerClock = (round: number, worker: number, load: number) => number

export interface StragglerClockOptions {
  readonly workers: number
  /** The probability that a worker becomes slow from one round to the next, and that it becomes quick again. */
  readonly enter: number
  readonly leave: number
  /** How many times as long a slow worker takes. */
  readonly slow: number
  /** What a round takes besides its load, and what all of a job's data would take. */
  readonly fixed: number
  readonly whole: number
  readonly rng: Rng
}

/** A clock of workers that are slow in bursts (two states, Gilbert and Elliott), the same whenever and in whatever order it is asked. */
export const stragglerClock = ({ workers, enter, leave, slow, fixed, whole, rng }: StragglerClockOptions): StragglerClock => {
  const isSlow: boolean[][] = Array.from({ length: workers }, () => [])
  const drawnTo = (worker: number, round: number): boolean => {
    const states = isSlow[worker]
    while (states.length <= round) {
      const drawn = rng.fork(`worker ${worker} round ${states.length}`).uniform()
      states.push(states.at(-1) ? drawn >= leave : drawn < enter)
    }
    return states[round]
  }
  return (round, worker, load) => {
    const jitter = 1 + 0.1 * rng.fork(`time ${worker} ${round}`).uniform()
    return (fixed + whole * load) * jitter * (drawnTo(worker, round) ? slow : 1)
  }
}

export interface CodedRoundsOptions {
  readonly coding: CodingScheme
  readonly jobs: number
  readonly clock: StragglerClock
  /** A worker is late that takes more than 1 + μ times as long as the quickest; 1 where absent. */
  readonly tolerance?: number
  /** The gradient of a job over a share of its data, from `from` to `to` of [0, 1); only times are counted where absent. */
  readonly gradient?: (job: number, from: number, to: number) => Float32Array
}

export interface CodedJob {
  readonly job: number
  /** The round in which its gradient was whole. */
  readonly round: number
  /** The last in which it had to be. */
  readonly deadline: number
  /** Where gradients were computed: the sum over all of its data. */
  readonly gradient?: Float32Array
}

export interface CodedRounds {
  readonly jobs: readonly CodedJob[]
  readonly time: number
  /** Rounds in which the master waited for workers that were late, since without them a gradient might have been. */
  readonly waited: number
}

/** Who is late, and when the round ends: those that are too slow, but for the quickest of them that the scheme cannot do without. */
const roundOf = (times: readonly number[], limit: number, isBorne: (late: ReadonlySet<number>) => boolean) => {
  const slow = times.map((_, worker) => worker).filter(worker => times[worker] > limit).sort((a, b) => times[a] - times[b]) // prettier-ignore
  const late = new Set(slow)
  let end = slow.length > 0 ? limit : Math.max(...times)
  for (const worker of slow) {
    if (isBorne(late)) break
    late.delete(worker)
    end = times[worker]
  }
  return { late, end }
}

/** Sums of parts by their weights, in float64. */
const sumOf = (parts: readonly Float32Array[], weights: ArrayLike<number>): Float64Array => {
  const sum = new Float64Array(parts[0].length)
  parts.forEach((part, k) => part.forEach((value, i) => (sum[i] += weights[k] * value)))
  return sum
}

/** What came of one job: of each group, the sums by worker. */
type Received = readonly Map<number, Float64Array | undefined>[]

/** The gradient of a job whose groups are whole: Σ over groups of Σ a · sums. */
const decode = ({ groups }: CodingScheme, received: Received): Float32Array => {
  let all: Float64Array | undefined
  groups.forEach(({ code }, group) => {
    const workers = [...received[group].keys()].sort((a, b) => a - b)
    const weights = decodingWeights(code, workers)
    weights.forEach((weight, k) => {
      const sum = received[group].get(workers[k])!
      all ??= new Float64Array(sum.length)
      sum.forEach((value, i) => (all![i] += weight * value))
    })
  })
  return Float32Array.from(all!)
}

/**
 * Jobs that begin one a round, by a coding and a clock: each round workers compute what the scheme gives them, the master waits for all that are not late
 * and for those it cannot do without, and decodes what is whole. Throws BAD_OPTION for no jobs, BAD_DATA where a job misses its deadline.
 */
export const codedRounds = ({ coding, jobs, clock, tolerance = 1, gradient }: CodedRoundsOptions): CodedRounds => {
  if (!(Number.isInteger(jobs) && jobs >= 1)) throw new CompressionError('BAD_OPTION', `codedRounds got ${jobs} jobs.`, 'Pass a positive integer.', { jobs }) // prettier-ignore
  const { workers, groups, delay, load } = coding
  const received: Received[] = Array.from({ length: jobs }, () => groups.map(() => new Map<number, Float64Array>()))
  const ledger: Ledger = {
    has: ({ job, group }, worker) => job < 0 || job >= jobs || received[job][group].has(worker),
  }
  const starts = groups.map((_, group) => groups.slice(0, group).reduce((sum, { part }) => sum + workers * part, 0))
  const compute = ({ job, group }: Task, worker: number): Float64Array | undefined => {
    const { code, part } = groups[group]
    const parts = gradient && code.parts[worker].map(i => gradient(job, starts[group] + i * part, starts[group] + (i + 1) * part))
    return parts && sumOf(parts, code.weights[worker])
  }
  const isWhole = (job: number): boolean => groups.every(({ code }, group) => received[job][group].size >= workers - code.stragglers)
  const done: CodedJob[] = []
  let [time, waited] = [0, 0]
  const open = new Set(Array.from({ length: jobs }, (_, job) => job))
  for (let round = 0; round < jobs + delay; round++) {
    const tasks = Array.from({ length: workers }, (_, worker) => coding.tasks(round, worker, ledger).filter(({ job }) => job < jobs))
    const times = tasks.map((_, worker) => clock(round, worker, load))
    const limit = (1 + tolerance) * Math.min(...times)
    const { late, end } = roundOf(times, limit, set => coding.tolerates(round, set, ledger))
    if (end > limit) waited++
    time += end
    tasks.forEach((own, worker) => !late.has(worker) && own.forEach(task => received[task.job][task.group].set(worker, compute(task, worker)))) // prettier-ignore
    for (const job of [...open].filter(each => each <= round && isWhole(each))) {
      open.delete(job)
      done.push({ job, round, deadline: job + delay, ...(gradient && { gradient: decode(coding, received[job]) }) })
    }
    const missed = [...open].find(job => job + delay <= round)
    if (missed !== undefined) throw new CompressionError('BAD_DATA', `The gradient of job ${missed} is not whole in round ${round}.`, 'Allow more stragglers.', { job: missed, round }) // prettier-ignore
  }
  return { jobs: done, time, waited }
}
