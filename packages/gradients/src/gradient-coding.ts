import { choice, createRng, defineValue, integer, required, type Made, type OptionTable } from '@tersor/core'
import { cyclicCode, type CyclicCode } from './cyclic-code.js'

/** One of the sums that a worker computes in a round: of a job, that of its row of a group's code. */
export interface Task {
  readonly job: number
  readonly group: number
}

/** A share of a job's data, split into n parts that are coded by themselves. */
export interface Group {
  readonly code: CyclicCode
  /** Of a job's data, in each part. */
  readonly part: number
}

/** What the master knows: which sums have come; all of jobs that there are not. */
export interface Ledger {
  has(task: Task, worker: number): boolean
}

/** Who computes what in which round, so that each job's gradient is whole some rounds later whoever is late, within limits. */
export interface CodingScheme {
  readonly kind: 'coding'
  readonly workers: number
  readonly groups: readonly Group[]
  /** Rounds from a job's beginning to its gradient at the latest. */
  readonly delay: number
  /** Of a job's data, what each worker goes through in a round. */
  readonly load: number
  tasks(round: number, worker: number, ledger: Ledger): readonly Task[]
  /** Whether gradients are still in time if these are late too in this round. */
  tolerates(round: number, late: ReadonlySet<number>, ledger: Ledger): boolean
}

export type GradientCoding = CodingScheme & Made

interface Limits {
  readonly workers: number
  readonly stragglers: number
  readonly burst: number
  readonly window: number
}

const everyone = (workers: number): readonly number[] => Array.from({ length: workers }, (_, worker) => worker)

/** Gradient coding by itself: each job in its own round. */
const plain = ({ workers, stragglers }: Limits): Omit<CodingScheme, 'kind' | 'workers'> => ({
  groups: [{ code: cyclicCode(workers, stragglers, createRng(1)), part: 1 / workers }],
  delay: 0,
  load: (stragglers + 1) / workers,
  tasks: round => [{ job: round, group: 0 }],
  tolerates: (_round, late) => late.size <= stragglers,
})

/** Where more workers failed a job than the code bears, those above repeat it a burst later. */
const repeated = (limits: Limits): Omit<CodingScheme, 'kind' | 'workers'> => {
  const { workers, stragglers, burst, window } = limits
  const borne = Math.ceil((burst * stragglers) / (window - 1 + burst))
  const repeating = (round: number, ledger: Ledger): readonly number[] => {
    const missing = everyone(workers).filter(worker => !ledger.has({ job: round - burst, group: 0 }, worker))
    return missing.slice(0, Math.max(0, missing.length - borne))
  }
  return {
    groups: [{ code: cyclicCode(workers, borne, createRng(1)), part: 1 / workers }],
    delay: burst,
    load: (borne + 1) / workers,
    tasks: (round, worker, ledger) => {
      return [repeating(round, ledger).includes(worker) ? { job: round - burst, group: 0 } : { job: round, group: 0 }]
    },
    tolerates: (round, late, ledger) => repeating(round, ledger).every(worker => !late.has(worker)),
  }
}

/**
 * Most of a job is not coded, and done over the first window − 1 rounds; in the burst of rounds behind them a worker makes up for what it was late with, or,
 * where it owes nothing, sends a coded part. Each round a worker has one task of each job under way.
 */
const multiplexed = (limits: Limits): Omit<CodingScheme, 'kind' | 'workers'> => {
  const { workers, stragglers, burst, window } = limits
  const first = window - 1
  const isCoded = stragglers < workers
  const share = isCoded ? 1 / (workers * (burst + first * (stragglers + 1))) : 0
  const whole = isCoded ? (stragglers + 1) * share : 1 / (workers * first)
  const [single, coded] = [cyclicCode(workers, 0, createRng(1)), isCoded ? cyclicCode(workers, stragglers, createRng(1)) : undefined]
  const owed = (job: number, worker: number, before: number, ledger: Ledger): readonly Task[] =>
    Array.from({ length: Math.min(first, before) }, (_, group) => ({ job, group })).filter(task => !ledger.has(task, worker))
  const slots = Array.from({ length: first + burst }, (_, slot) => slot)
  const taskOf = (job: number, slot: number, worker: number, ledger: Ledger): Task | undefined =>
    slot < first ? { job, group: slot } : (owed(job, worker, first, ledger)[0] ?? (isCoded ? { job, group: slot } : undefined))
  /** Whether those who are late can still make up for their pieces, and enough of a coded part comes. */
  const isBorne = (job: number, slot: number, late: ReadonlySet<number>, ledger: Ledger): boolean => {
    const left = Math.min(burst, first + burst - 1 - slot)
    if ([...late].some(worker => owed(job, worker, slot + 1, ledger).length > left)) return false
    if (slot < first)
      return everyone(workers).filter(worker => late.has(worker) || owed(job, worker, slot, ledger).length > 0).length <= stragglers
    const sending = everyone(workers).filter(worker => !late.has(worker) && taskOf(job, slot, worker, ledger)?.group === slot)
    return !isCoded || sending.length >= workers - stragglers
  }
  return {
    groups: [
      ...Array.from({ length: first }, () => ({ code: single, part: whole })),
      ...(coded ? Array.from({ length: burst }, () => ({ code: coded, part: share })) : []),
    ],
    delay: first - 1 + burst,
    load: (first + burst) * whole,
    tasks: (round, worker, ledger) =>
      slots
        .filter(slot => slot <= round)
        .map(slot => taskOf(round - slot, slot, worker, ledger))
        .filter(task => task !== undefined),
    tolerates: (round, late, ledger) => slots.every(slot => slot > round || isBorne(round - slot, slot, late, ledger)),
  }
}

const SCHEMES = { plain, repeated, multiplexed } as const

const options = {
  workers: required(integer({ min: 1, doc: 'how many there are' })),
  scheme: choice(['plain', 'repeated', 'multiplexed'], { default: 'multiplexed', doc: 'how jobs are spread over rounds' }),
  stragglers: required(integer({ min: 0, doc: 'λ: how many different workers may be late in a window' })),
  burst: integer({ min: 1, default: 1, doc: 'B: how many rounds in a row one of them may be late' }),
  window: integer({ min: 2, default: 2, doc: 'W: rounds that this is counted over; for "repeated" a multiple of the burst and one more' }),
} satisfies OptionTable

/**
 * Gradients of jobs that begin one a round, in spite of workers that are late: 'plain' codes each job by itself, load (λ + 1) / n, in its own round;
 * 'repeated' bears s = ⌈B λ / (W − 1 + B)⌉ and lets those above repeat the job B rounds later, load (s + 1) / n; 'multiplexed' codes only what a worker may
 * be late with, load (λ + 1)(W − 1 + B) / (n (B + (W − 1)(λ + 1))), W − 2 + B rounds later. Messages are sums with float64 weights, as they are.
 * Throws BAD_OPTION. Krishnan, Ebrahimi and Khisti 2022, https://arxiv.org/abs/2211.13802
 */
export const gradientCoding = defineValue('coding', {
  name: 'gradient-coding',
  summary: 'spreads jobs over workers and rounds, so that gradients are whole in time whoever is late',
  paper: { title: 'Sequential Gradient Coding For Straggler Mitigation', authors: 'Krishnan, Ebrahimi and Khisti', year: 2022, url: 'https://arxiv.org/abs/2211.13802' }, // prettier-ignore
  differs: 'the master waits where a gradient would not be whole in time, and not where a pattern of stragglers would be left',
  options,
  check: ({ workers, scheme, stragglers, burst, window }) => {
    const most = scheme === 'multiplexed' ? workers : workers - 1
    if (stragglers > most) return [`${stragglers} of ${workers} workers may be late.`, `Pass at most ${most}.`]
    if (scheme === 'repeated' && (window - 1) % burst !== 0) return [`a window of ${window} is no multiple of the burst ${burst} and one more.`, `Pass ${burst + 1}, ${2 * burst + 1} and so on.`] // prettier-ignore
    return burst < window ? undefined : [`a burst of ${burst} is not shorter than the window of ${window}.`, 'Pass a longer window.']
  },
  make: ({ scheme, ...limits }) => ({ kind: 'coding', workers: limits.workers, ...SCHEMES[scheme](limits) }) as CodingScheme,
})
