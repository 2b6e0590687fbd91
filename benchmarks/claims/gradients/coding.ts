/** Simulated workers that are slow in bursts: the time that jobs take by each scheme, with the best of its limits. */
import { createRng } from '@tersor/core'
import { codedRounds, gradientCoding, stragglerClock } from '@tersor/gradients'
import type { Claim, Side } from '../training/claim.js'

const [WORKERS, JOBS] = [32, 100]
const STRAGGLERS = [1, 2, 3, 4, 6, 8, 12]
const LIMITS = [[1, 2], [1, 3], [2, 3], [2, 5], [3, 4], [3, 7]] as const // prettier-ignore
/** Rare and frequent stragglers, and rounds in which work counts for more. */
const CLOCKS = {
  'rare stragglers': { enter: 0.02, leave: 0.7, slow: 5, fixed: 1, whole: 20 },
  'frequent ones': { enter: 0.05, leave: 0.7, slow: 5, fixed: 1, whole: 20 },
  'more work': { enter: 0.02, leave: 0.7, slow: 5, fixed: 1, whole: 60 },
} as const
type Scheme = 'plain' | 'repeated' | 'multiplexed'

const gradient = (job: number, from: number, to: number): Float32Array => Float32Array.of((job + 1) * (to - from))

/** The time of a job, the best of all limits, each of which must have met all deadlines with the right sums. */
const timeOf = (scheme: Scheme, facts: (typeof CLOCKS)[keyof typeof CLOCKS], seed: number, stragglers: readonly number[]): number => {
  const limits = scheme === 'plain' ? LIMITS.slice(0, 1) : LIMITS
  const times = limits.flatMap(([burst, window]) =>
    stragglers.map(late => {
      const coding = gradientCoding({ workers: WORKERS, scheme, stragglers: late, burst, window })
      const clock = stragglerClock({ workers: WORKERS, ...facts, rng: createRng(seed) })
      const { jobs, time } = codedRounds({ coding, jobs: JOBS, clock, gradient })
      const wrong = jobs.filter(({ job, round, deadline, gradient: sum }) => round > deadline || Math.abs(sum![0] / (job + 1) - 1) > 1e-4)
      if (jobs.length < JOBS || wrong.length > 0) throw new Error(`${scheme} with ${late} stragglers missed ${wrong.length} jobs.`)
      return time / JOBS
    }),
  )
  return Math.min(...times)
}

const side = (name: string, scheme: Scheme, stragglers: readonly number[] = STRAGGLERS): Side => ({
  name,
  measure: seed => Promise.resolve(Object.fromEntries(Object.entries(CLOCKS).map(([clock, facts]) => [clock, timeOf(scheme, facts, seed, stragglers)]))), // prettier-ignore
})

export const CODING: readonly Claim[] = [
  {
    name: 'gradient-coding',
    says: `${WORKERS} simulated workers that are slow in bursts, ${JOBS} jobs, the best limits of each scheme: all deadlines met with the right sums, and less time a job multiplexed than repeated than plain, and multiplexed than uncoded, which is not always behind plain`, // prettier-ignore
    figures: Object.fromEntries(Object.keys(CLOCKS).map(clock => [clock, { better: 'lower', digits: 2, tie: 0 } as const])),
    sides: () => [side('uncoded', 'plain', [0]), side('plain', 'plain'), side('repeated', 'repeated'), side('multiplexed', 'multiplexed')],
    orders: Object.keys(CLOCKS).flatMap(figure => [
      { figure, first: 'multiplexed', than: 'repeated' },
      { figure, first: 'repeated', than: 'plain' },
      { figure, first: 'multiplexed', than: 'uncoded' },
    ]),
  },
]
