/** The order that the papers claim, on the bundled language model at equal bits or sparsity; fails where one does not hold. */
import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline, type Method } from '@tersor/core'
import { perplexity } from '@tersor/evaluation'
import { selectEngine } from '@tersor/kernels'
import { eora } from '@tersor/low-rank'
import { magnitude, sparseGpt, wanda } from '@tersor/pruning'
import { gptq, rtn } from '@tersor/quantization'
import { bitsPerWeight, byteLength, sizeOf } from '@tersor/tensor'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openBundled, ROOT } from './bundled-model.js'

const RANK = 32

const grid = { bits: 3, symmetric: true, granularity: 'row' } as const

const RECIPES: Readonly<Record<string, readonly Method[]>> = {
  dense: [],
  'rtn 3 bits': [rtn(grid)],
  'gptq 3 bits': [gptq(grid)],
  'gptq 3 bits, act-order': [gptq({ ...grid, actOrder: true })],
  'rtn 3 bits + plain svd': [rtn(grid), eora({ rank: RANK, space: 'plain' })],
  'rtn 3 bits + eora': [rtn(grid), eora({ rank: RANK })],
  'gptq 3 bits + plain svd': [gptq(grid), eora({ rank: RANK, space: 'plain' })],
  'gptq 3 bits + eora': [gptq(grid), eora({ rank: RANK })],
  'magnitude 50 %': [magnitude({ sparsity: 0.5 })],
  'wanda 50 %': [wanda({ sparsity: 0.5 })],
  'sparse-gpt 50 %': [sparseGpt({ sparsity: 0.5 })],
  'magnitude 2:4': [magnitude({ pattern: '2:4' })],
  'wanda 2:4': [wanda({ pattern: '2:4' })],
  'sparse-gpt 2:4': [sparseGpt({ pattern: '2:4' })],
}

/** Each list must rise in perplexity. */
const CLAIMS: readonly (readonly string[])[] = [
  ['dense', 'gptq 3 bits', 'rtn 3 bits'],
  ['dense', 'sparse-gpt 50 %', 'wanda 50 %', 'magnitude 50 %'],
  ['rtn 3 bits + eora', 'rtn 3 bits + plain svd', 'rtn 3 bits'],
  ['gptq 3 bits + eora', 'gptq 3 bits + plain svd'],
  ['gptq 3 bits + eora', 'gptq 3 bits'],
]

const { engine, reason } = await selectEngine()
console.log(`engine ${engine}: ${reason}`)
const { model, calibration, validation } = await openBundled()
const widest = Math.max(
  ...model.stages.flatMap(stage =>
    stage.sites.filter(site => site.kind === 'linear' && !site.head).map(site => model.params.info(site.weight).shape[1]),
  ),
)
console.log(
  `${calibration.length * model.contextLength} calibration tokens for at most ${widest} columns; ${validation.length} validation windows\n`,
)

interface Result {
  readonly name: string
  readonly perplexity: number
  /** Of the compressed sites. */
  readonly bitsPerWeight: number
  readonly seconds: number
}

const measure = async (name: string, steps: readonly Method[]): Promise<Result> => {
  const started = performance.now()
  const small = steps.length === 0 ? model : await compress(model, pipeline(...steps), { calibration, seed: 7 })
  const seconds = (performance.now() - started) / 1000
  const sites = small.stages.flatMap(stage => stage.sites).filter(site => site.kind === 'linear' && !site.head)
  const stored = await Promise.all(sites.map(site => small.params.read(site.weight)))
  const weights = stored.reduce((sum, parameter) => sum + sizeOf(parameter.shape), 0)
  const bits =
    stored.length === 1 ? bitsPerWeight(stored[0]) : (8 * stored.reduce((sum, parameter) => sum + byteLength(parameter), 0)) / weights
  const measured = await perplexity(small, validation)
  console.log(
    `${name.padEnd(26)} ${measured.perplexity.toFixed(2).padStart(9)}  ${bits.toFixed(2).padStart(6)} bits/weight  ${seconds.toFixed(1).padStart(6)} s`,
  )
  return { name, perplexity: measured.perplexity, bitsPerWeight: bits, seconds }
}

const results: Result[] = []
for (const [name, steps] of Object.entries(RECIPES)) results.push(await measure(name, steps))
tf.dispose(calibration)
await model.close?.()

console.log()
const of = (name: string): number => results.find(result => result.name === name)!.perplexity
const verdicts = CLAIMS.map(claim => ({ claim, holds: claim.every((name, i) => i === 0 || of(claim[i - 1]) < of(name)) }))
for (const { claim, holds } of verdicts) {
  console.log(`${holds ? 'holds' : 'FAILS'}: ${claim.map(name => `${name} ${of(name).toFixed(2)}`).join(' < ')}`)
  if (!holds) process.exitCode = 1
}
await mkdir(join(ROOT, 'benchmarks/results'), { recursive: true })
const record = {
  engine,
  node: process.version,
  calibrationTokens: calibration.length * model.contextLength,
  validationWindows: validation.length,
  results,
  verdicts,
}
await writeFile(join(ROOT, 'benchmarks/results/claims-language.json'), `${JSON.stringify(record, null, 2)}\n`)
