/**
 * Every rounding method at 3 and 4 bits on the bundled language model, by itself and after AWQ, SmoothQuant and Hadamard rotation.
 * Writes the table into docs of @tersor/quantization; fails where AWQ then GPTQ is worse than GPTQ, or a method on a grid than rounding to nearest.
 * With `--rows TEXT` only rows whose names hold the text are measured; the others are taken from the last run.
 */
import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline, type Step } from '@tersor/core'
import { perplexity } from '@tersor/evaluation'
import { selectEngine } from '@tersor/kernels'
import { awq, fp4, fp8, gptq, hadamard, hqq, kQuant, mxfp4, nf4, nvfp4, rtn, smoothQuant } from '@tersor/quantization'
import { byteLength, sizeOf } from '@tersor/tensor'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openBundled, ROOT } from './bundled-model.js'

const GROUP = 64

type Grid = { readonly bits: number; readonly symmetric: boolean; readonly group: number }
const gridOf = (bits: number): Grid => ({ bits, symmetric: false, group: GROUP })

interface Row {
  readonly name: string
  readonly rounding: readonly Step[]
  /** The grid that AWQ searches on. */
  readonly grid: Grid
}

const onGrid = (bits: 3 | 4): readonly Row[] => {
  const grid = gridOf(bits)
  const type = `q${bits}_k` as const
  return [
    { name: `rtn, ${bits} bits`, rounding: [rtn(grid)], grid },
    { name: `hqq, ${bits} bits`, rounding: [hqq({ bits, group: GROUP })], grid },
    { name: `gptq, ${bits} bits`, rounding: [gptq(grid)], grid },
    { name: `kQuant, ${type}`, rounding: [kQuant({ type })], grid },
    { name: `kQuant, ${type}, importance`, rounding: [kQuant({ type, importance: true })], grid },
  ]
}

const ROWS: readonly Row[] = [
  ...onGrid(3),
  ...onGrid(4),
  ...Object.entries({
    nf4: nf4(),
    'nf4, scales rounded': nf4({ doubleQuantization: true }),
    fp4: fp4(),
    mxfp4: mxfp4(),
    nvfp4: nvfp4(),
  }).map(([name, step]) => ({ name, rounding: [step], grid: gridOf(4) })),
  { name: 'fp8', rounding: [fp8()], grid: { ...gridOf(8) } },
]

const BEFORE: Readonly<Record<string, (grid: Grid) => readonly Step[]>> = {
  alone: () => [],
  awq: grid => [awq(grid)],
  smoothQuant: () => [smoothQuant()],
  hadamard: () => [hadamard()],
}

const { engine, reason } = await selectEngine()
console.log(`engine ${engine}: ${reason}`)
const { model, calibration, validation } = await openBundled()

interface Result {
  readonly perplexity: number
  /** Of the compressed sites. */
  readonly bits: number
  readonly seconds: number
}

const measure = async (steps: readonly Step[]): Promise<Result> => {
  const started = performance.now()
  const small = steps.length === 0 ? model : await compress(model, pipeline(...steps), { calibration, seed: 7 })
  const seconds = (performance.now() - started) / 1000
  const sites = small.stages.flatMap(stage => stage.sites).filter(site => site.kind === 'linear' && !site.head)
  const stored = await Promise.all(sites.map(site => small.params.read(site.weight)))
  const weights = stored.reduce((sum, parameter) => sum + sizeOf(parameter.shape), 0)
  const bits = (8 * stored.reduce((sum, parameter) => sum + byteLength(parameter), 0)) / weights
  return { perplexity: (await perplexity(small, validation)).perplexity, bits, seconds }
}

type Results = Readonly<Record<string, Readonly<Record<string, Result>>>>

const RECORD = join(ROOT, 'benchmarks/results/claims-roundings.json')
const { rows: chosen } = parseArgs({ options: { rows: { type: 'string' } } }).values
/** Rows that are not measured anew. */
const kept: Results = chosen === undefined ? {} : (JSON.parse(await readFile(RECORD, 'utf8')) as { results: Results }).results

const dense = await measure([])
console.log(`dense: perplexity ${dense.perplexity.toFixed(2)}`)
const results = new Map<string, Readonly<Record<string, Result>>>()
for (const { name, rounding, grid } of ROWS) {
  if (chosen !== undefined && !name.includes(chosen)) {
    if (!kept[name]) throw new Error(`The last run has no row "${name}": run without --rows, or with its name.`)
    results.set(name, kept[name])
    continue
  }
  const row: Record<string, Result> = {}
  for (const [before, steps] of Object.entries(BEFORE)) {
    row[before] = await measure([...steps(grid), ...rounding])
    const { perplexity: found, bits, seconds } = row[before]
    console.log(
      `${name.padEnd(26)} ${before.padEnd(12)} ${found.toFixed(2).padStart(9)}  ${bits.toFixed(2)} bits/weight  ${seconds.toFixed(1)} s`,
    )
  }
  results.set(name, row)
}
tf.dispose(calibration)
await model.close?.()

const at = (name: string, before = 'alone'): number => results.get(name)![before].perplexity
/** Of each pair the first is at most as perplexed as the second; the run fails where that is not so. */
const CLAIMS: readonly (readonly [string, number, string, number])[] = [
  ...[3, 4].flatMap(bits => [
    ...['hqq', 'gptq'].map(name => [`${name}, ${bits} bits`, at(`${name}, ${bits} bits`), 'rtn', at(`rtn, ${bits} bits`)] as const),
    ...['', ', importance'].map(
      rest => [`kQuant, q${bits}_k${rest}`, at(`kQuant, q${bits}_k${rest}`), 'rtn', at(`rtn, ${bits} bits`)] as const,
    ),
    [`awq then gptq, ${bits} bits`, at(`gptq, ${bits} bits`, 'awq'), 'gptq alone', at(`gptq, ${bits} bits`)] as const,
  ]),
  ['nf4', at('nf4'), 'fp4', at('fp4')],
  ['nf4 with scales rounded', at('nf4, scales rounded'), 'nf4 and 0.1 %', 1.001 * at('nf4')],
  ['nvfp4', at('nvfp4'), 'mxfp4', at('mxfp4')],
]
/** Whether each pass helps rounding to nearest: told, not demanded, since this model has few outliers to move. */
const OBSERVED = [3, 4].flatMap(bits =>
  Object.keys(BEFORE)
    .slice(1)
    .map(pass => [`${pass} then rtn, ${bits} bits`, at(`rtn, ${bits} bits`, pass), 'rtn alone', at(`rtn, ${bits} bits`)] as const),
)
const compared = ([first, a, second, b]: readonly [string, number, string, number]): string =>
  `${first} ${a.toFixed(2)} ≤ ${second} ${b.toFixed(2)}`
const verdicts = [
  ...CLAIMS.map(claim => `${claim[1] <= claim[3] ? 'Holds' : 'FAILS'}: ${compared(claim)}`),
  ...OBSERVED.map(each => `${each[1] <= each[3] ? 'Seen' : 'Not so here'}: ${compared(each)}`),
]
verdicts.forEach(verdict => console.log(verdict))
if (verdicts.some(verdict => verdict.startsWith('FAILS'))) process.exitCode = 1
const record = { engine, node: process.version, dense: dense.perplexity, results: Object.fromEntries(results), verdicts }
await writeFile(RECORD, `${JSON.stringify(record, null, 2)}\n`)

const cells = (row: Readonly<Record<string, Result>>): string[] =>
  Object.keys(BEFORE).map(before => `${row[before].perplexity.toFixed(2)} (${row[before].seconds.toFixed(1)} s)`)
const line = (values: readonly string[]): string => `| ${values.join(' | ')} |`
const table = [
  line(['rounding', 'bits/weight', ...Object.keys(BEFORE).map(before => (before === 'alone' ? before : `after \`${before}\``))]),
  line(Array.from({ length: 2 + Object.keys(BEFORE).length }, () => '---')),
  ...[...results].map(([name, row]) => line([name, row.alone.bits.toFixed(2), ...cells(row)])),
].join('\n')
const page = join(ROOT, 'packages/quantization/docs/comparison.md')
const given = `Perplexity without rounding: ${dense.perplexity.toFixed(2)}; ${calibration.length * model.contextLength} calibration tokens, ${validation.length} held-out windows.`
const text = await readFile(page, 'utf8')
await writeFile(
  page,
  text.replace(
    /<!-- table -->[^]*<!-- \/table -->/,
    `<!-- table -->\n\n${given}\n\n${table}\n\n${verdicts.map(verdict => `- ${verdict}`).join('\n')}\n\n<!-- /table -->`,
  ),
)
