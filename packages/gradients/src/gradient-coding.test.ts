import { createRng } from '@tersor/core'
import { codedRounds, stragglerClock, type StragglerClock } from './coded-rounds.js'
import { cyclicCode, decodingWeights } from './cyclic-code.js'
import { gradientCoding } from './gradient-coding.js'

const SCHEMES = ['plain', 'repeated', 'multiplexed'] as const

/** All choices of so many of n. */
const choices = (n: number, k: number): number[][] =>
  k === 0 ? [[]] : n < k ? [] : [...choices(n - 1, k), ...choices(n - 1, k - 1).map(each => [...each, n - 1])]

it('makes the sum of six parts of the sums of any four of six workers', () => {
  const code = cyclicCode(6, 2, createRng(3))
  const parts = Float64Array.of(1, 2, 4, 8, 16, 32)
  const sums = code.parts.map((held, worker) => held.reduce((sum, part, k) => sum + code.weights[worker][k] * parts[part], 0))
  const all = choices(6, 4)
  expect(all).toHaveLength(15)
  for (const four of all) {
    const weights = decodingWeights(code, four)
    expect(four.reduce((sum, worker, k) => sum + weights[k] * sums[worker], 0)).toBeCloseTo(63, 9)
  }
  expect(code.parts[5]).toEqual([5, 0, 1])
})

it('has the loads of 256 workers of which 27 may be late in two rounds: 0.109, 0.0586, 0.0075', () => {
  const loads = SCHEMES.map(scheme => gradientCoding({ workers: 256, scheme, stragglers: 27 }).load)
  for (const [i, expected] of [0.109, 0.0586, 0.0075].entries()) expect(Math.abs(loads[i] - expected)).toBeLessThan(expected / 100)
})

/** All workers take as long as their load, but some in some rounds, who take ten times as long. */
const late = (who: (round: number, worker: number) => boolean): StragglerClock => (round, worker, load) => (1 + load) * (who(round, worker) ? 10 : 1) // prettier-ignore

it('repeats a job where more failed than the code bears: workers 0 and 1 of four, of which one is borne', () => {
  // W 3, B 2, λ 2: s = ⌈4/4⌉ = 1; rounds 1 and 2 are late, so job 1 is repeated by worker 0 in round 3, and job 2 in round 4
  const coding = gradientCoding({ workers: 4, scheme: 'repeated', stragglers: 2, burst: 2, window: 3 })
  const rounds = codedRounds({ coding, jobs: 4, clock: late((round, worker) => worker < 2 && (round === 1 || round === 2)) })
  expect(rounds.jobs.map(({ job, round }) => [job, round])).toEqual([[0, 0], [1, 3], [3, 3], [2, 4]]) // prettier-ignore
  expect(rounds.waited).toBe(0)
  expect(rounds.time).toBeCloseTo(1.5 * (4 + 2 * 2), 9) // six rounds, of which two end at twice the quickest
})

it('makes up for what was late in the rounds behind: of three workers one, in the first of two rounds', () => {
  // W 3, B 1, λ 1: pieces in rounds 0 and 1, and in round 2 a coded one of 2/3 of the others, or the piece that is owed
  const coding = gradientCoding({ workers: 3, stragglers: 1, burst: 1, window: 3 })
  expect(coding.load).toBeCloseTo((2 * 3) / (3 * (1 + 2 * 2)), 12)
  const gradient = (_job: number, from: number, to: number) => Float32Array.of(to - from, to * to - from * from)
  const rounds = codedRounds({ coding, jobs: 1, clock: late((round, worker) => worker === 2 && round === 0), gradient })
  expect(rounds.jobs.map(({ job, round, deadline }) => [job, round, deadline])).toEqual([[0, 2, 2]])
  for (const value of rounds.jobs[0].gradient!) expect(value).toBeCloseTo(1, 6)
})

const gradientOf = (job: number, from: number, to: number): Float32Array =>
  Float32Array.of(to - from, Math.sin(job + 3 * to) - Math.sin(job + 3 * from), job * (to ** 3 - from ** 3))

it.each(SCHEMES)('meets all deadlines with exact gradients under bursts: %s', scheme => {
  for (const [workers, stragglers, burst, window] of [[6, 2, 1, 2], [6, 2, 2, 5], [8, 3, 2, 3], [5, 1, 3, 4], [4, 3, 1, 3]] as const) {
    const coding = gradientCoding({ workers, scheme, stragglers, burst, window })
    const clock = stragglerClock({ workers, enter: 0.15, leave: 0.4, slow: 6, fixed: 1, whole: 4, rng: createRng(workers) })
    const { jobs } = codedRounds({ coding, jobs: 30, clock, gradient: gradientOf })
    expect(jobs).toHaveLength(30)
    const wrong = jobs.filter(({ job, round, deadline, gradient }) => {
      const exact = gradientOf(job, 0, 1)
      return round > deadline || gradient!.some((value, i) => Math.abs(value - exact[i]) > 1e-4)
    })
    expect(wrong).toEqual([])
  }
}) // prettier-ignore

it('takes less time multiplexed than repeated than plain, each with its best limits, and the same in every run', () => {
  const timeOf = (scheme: (typeof SCHEMES)[number], stragglers: number, burst: number, window: number) => {
    const coding = gradientCoding({ workers: 32, scheme, stragglers, burst, window })
    const clock = stragglerClock({ workers: 32, enter: 0.02, leave: 0.7, slow: 5, fixed: 1, whole: 20, rng: createRng(2) })
    return codedRounds({ coding, jobs: 60, clock }).time
  }
  const [plain, repeated, multiplexed] = [timeOf('plain', 2, 1, 2), timeOf('repeated', 2, 3, 4), timeOf('multiplexed', 8, 3, 7)]
  expect(multiplexed).toBeLessThan(repeated)
  expect(repeated).toBeLessThan(plain)
  expect(timeOf('multiplexed', 8, 3, 7)).toBe(multiplexed)
})

it('refuses limits that cannot be kept, and jobs and workers that are none', () => {
  expect(() => gradientCoding({ workers: 4, scheme: 'plain', stragglers: 4 })).toThrow('gradient-coding: 4 of 4 workers may be late.\nPass at most 3.') // prettier-ignore
  expect(() => gradientCoding({ workers: 4, scheme: 'repeated', stragglers: 1, burst: 2, window: 4 })).toThrow('a window of 4 is no multiple of the burst 2 and one more.\nPass 3, 5') // prettier-ignore
  expect(() => gradientCoding({ workers: 4, stragglers: 1, burst: 2, window: 2 })).toThrow('a burst of 2 is not shorter than the window of 2.\nPass a longer') // prettier-ignore
  const coding = gradientCoding({ workers: 2, stragglers: 1 })
  expect(() => codedRounds({ coding, jobs: 0, clock: () => 1 })).toThrow('codedRounds got 0 jobs.\nPass a positive integer.')
  expect(() => cyclicCode(3, 3, createRng(1))).toThrow('A code of 3 workers got 3 stragglers.\nPass fewer')
  expect(() => decodingWeights(cyclicCode(3, 1, createRng(1)), [0])).toThrow('A code that needs 2 workers got 1.\nWait for more')
})
