import { readFileSync, writeFileSync } from 'node:fs'
import { BENCHMARKS, type Benchmark } from './benchmarks.js'
import type { Result, SideResult } from './duel.js'
import type { Machine } from './machine.js'

/** What a run leaves in benchmarks/results. */
export interface Report {
  readonly machine: Machine
  readonly threads: number
  readonly results: readonly Result[]
}

const NOISY = 0.15

const rateOf = ({ amount, unit }: Benchmark, { median }: SideResult): string => {
  const rate = (amount / median) * 1000
  return unit === 'per s' ? `${median.toFixed(0)} ms` : `${rate >= 100 ? rate.toFixed(0) : rate.toFixed(1)} ${unit}`
}

/** Whether the ratio against the first peer, at its best, reached the target. */
export const verdictOf = ({ target, peers }: Benchmark, result: Result): string => {
  if (target === undefined) return ''
  const ratios = result.peers.filter(({ name }) => name.startsWith(peers[0])).map(({ ratio }) => ratio)
  return ratios.length === 0 ? 'not compared' : Math.min(...ratios) >= target ? 'reached' : 'missed'
}

/** Runs that lie so far apart that the ratio may be off by as much. */
const noiseOf = ({ ours, peers }: Result): string => {
  const most = Math.max(...[ours, ...peers].map(({ spread }) => spread))
  return most > NOISY ? `noisy (${(most * 100).toFixed(0)} % between quartiles)` : ''
}

const rowsOf = (benchmark: Benchmark, result: Result): readonly string[][] => {
  const { title, target, note } = benchmark
  const remarks = [note, noiseOf(result), ...result.absent].filter(Boolean).join('; ')
  const peers: readonly (SideResult | undefined)[] = result.peers.length > 0 ? result.peers : [undefined]
  return peers.map((peer, index) => [
    index === 0 ? title : '',
    index === 0 ? rateOf(benchmark, result.ours) : '',
    peer ? `${peer.name}: ${rateOf(benchmark, peer)}` : '',
    peer ? peer.ratio.toFixed(2) : '',
    index === 0 ? `${target ?? ''}` : '',
    index === 0 ? verdictOf(benchmark, result) : '',
    index === 0 ? result.load.toFixed(1) : '',
    index === 0 ? remarks : '',
  ])
}

const HEAD = ['work', 'Tersor', 'peer', 'ratio', 'target', '', 'load', 'remarks']

/** The table of a report, in Markdown. */
export const tableOf = ({ machine, threads, results }: Report): string => {
  const rows = BENCHMARKS.flatMap(benchmark => {
    const result = results.find(({ name }) => name === benchmark.name)
    return result ? rowsOf(benchmark, result) : []
  })
  const lines = [HEAD, HEAD.map((_, i) => (i === 3 || i === 4 || i === 6 ? '---:' : '---')), ...rows]
  const versions = [...new Set(results.flatMap(({ ours, peers }) => [ours, ...peers].map(({ info }) => info.version)))].join(', ')
  const dates = results.map(({ date }) => date.slice(0, 16).replace('T', ' ')).sort()
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.memory} GiB, ${machine.system}, Node ${machine.node}; ${threads} threads; ${versions}; ${dates[0]} to ${dates.at(-1)} UTC.`,
    lines.map(cells => `| ${cells.join(' | ')} |`).join('\n'),
  ].join('\n\n')
}

/** Puts text between the markers `<!-- name -->` and `<!-- /name -->` of a page. */
export const fillIn = (file: string, name: string, text: string): void => {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const page = readFileSync(file, 'utf8')
  const [from, to] = [page.indexOf(open), page.indexOf(close)]
  if (from < 0 || to < from) throw new Error(`${file} has no markers ${open} … ${close}.`)
  writeFileSync(file, `${page.slice(0, from + open.length)}\n\n${text}\n\n${page.slice(to)}`)
}
