import type { Benchmark } from './benchmarks.js'
import { startSide, type Side, type SideInfo } from './side.js'
import { oursOf, peersOf } from './sides.js'

/** How a side fared. */
export interface SideResult {
  readonly name: string
  readonly info: SideInfo
  /** Milliseconds. */
  readonly median: number
  readonly fastest: number
  readonly runs: readonly number[]
  /** Distance of the quartiles as a part of the median. */
  readonly spread: number
  /** Median over the rounds of this side's time to ours: above 1 where ours is faster. */
  readonly ratio: number
}

export interface Result {
  readonly name: string
  readonly date: string
  /** Load average of a minute when the benchmark began. */
  readonly load: number
  readonly ours: SideResult
  readonly peers: readonly SideResult[]
  /** Why a peer did not take part. */
  readonly absent: readonly string[]
}

const quantile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const low = Math.floor(at)
  return sorted[low] + (sorted[Math.ceil(at)] - sorted[low]) * (at - low)
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

const resultOf = ({ name, info }: Side, runs: readonly number[], ours: readonly number[]): SideResult => ({
  name,
  info,
  median: median(runs),
  fastest: Math.min(...runs),
  runs: runs.map(run => Number(run.toFixed(3))),
  spread: (quantile(runs, 0.75) - quantile(runs, 0.25)) / median(runs),
  ratio: median(runs.map((run, round) => run / ours[round])),
})

const firstLine = (error: unknown): string => String(error instanceof Error ? error.message : error).split('\n')[0]

/** Starts both sides and lets them run in turn, ours first in even rounds. Peers that cannot start are left out with the reason. */
export const duel = async (benchmark: Benchmark, threads: number, load: number): Promise<Result> => {
  const ours = await startSide(oursOf(benchmark, threads))
  const sides = [ours]
  const absent: string[] = []
  for (const peer of benchmark.peers) {
    const commands = peersOf(peer, benchmark, threads)
    if (typeof commands === 'string') absent.push(`${peer}: ${commands}`)
    else
      for (const command of commands)
        await startSide(command).then(
          side => sides.push(side),
          error => absent.push(`${command.name}: ${firstLine(error)}`),
        )
  }
  try {
    const runs = sides.map((): number[] => [])
    for (let round = 0; round < benchmark.rounds; round++) {
      const order = [...sides.keys()]
      for (const index of round % 2 === 0 ? order : order.reverse()) runs[index].push(await sides[index].run())
    }
    const [first, ...others] = sides.map((side, index) => resultOf(side, runs[index], runs[0]))
    return { name: benchmark.name, date: new Date().toISOString(), load, ours: first, peers: others, absent }
  } finally {
    for (const side of sides) side.close()
  }
}
