/**
 * Static int8 by every observer, and 4-bit weights with and without bias correction, of the trained ResNets on all 2,000 test images.
 * Writes the table into README.md; fails where int8 costs more than 0.5 points of top-1, or 4 bits with bias correction more than 2.
 */
import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline, type Model, type Step } from '@tersor/core'
import { readImages, topOne } from '@tersor/evaluation'
import { selectEngine } from '@tersor/kernels'
import { foldBatchNorm, openModel } from '@tersor/models'
import {
  biasCorrection,
  entropyObserver,
  gptq,
  minMaxObserver,
  movingAverageObserver,
  mseObserver,
  percentileObserver,
  quantizeActivations,
  rtn,
  type Observer,
} from '@tersor/quantization'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT } from './bundled-model.js'

const DATA = process.env.TERSOR_DATA ?? join(ROOT, '../shared/data')
const NETWORKS = ['resnet20', 'resnet56'] as const
const BATCH = 64
const BATCHES = 4

/** Every site, the head too: all products have integers on both sides. */
const ALL = '*'
const OBSERVERS = [minMaxObserver(), movingAverageObserver(), percentileObserver(), entropyObserver(), mseObserver()]
const FOUR = { bits: 4, granularity: 'row' } as const
const ROUNDINGS = { '4-bit weights': rtn(FOUR), '4-bit weights by GPTQ': gptq(FOUR) }

interface Recipe {
  readonly name: string
  readonly steps: readonly Step[]
  /** How many points of top-1 it may cost; nothing is asked of those without. */
  readonly most?: number
}

const int8 = (observer: Observer): Recipe => ({
  name: `int8 weights and activations, ${observer.name}`,
  steps: [rtn({ bits: 8, granularity: 'row', only: ALL }), quantizeActivations({ only: ALL, observer })],
  most: 0.5,
})
const fourBits = ([name, rounding]: readonly [string, Step]): readonly Recipe[] => [
  { name, steps: [rounding] },
  { name: `${name}, bias correction`, steps: [rounding, biasCorrection()], most: 2 },
]
const RECIPES: readonly Recipe[] = [...OBSERVERS.map(int8), ...Object.entries(ROUNDINGS).flatMap(fourBits)]

interface Result {
  readonly network: string
  readonly recipe: string
  readonly correct: number
  /** Of top-1, below the float network. */
  readonly pointsLost: number
  readonly seconds: number
}

const { engine } = await selectEngine({ engine: 'ort' })
console.log(`engine ${engine}`)
const images = await readImages(join(DATA, 'cifar10/cifar10-test-2000.json'))
const learn = await readImages(join(DATA, 'cifar10/cifar10-train-lossless-3000.json'))
const calibration = Array.from({ length: BATCHES }, (_, index) => learn.batch(BATCH * index, BATCH * (index + 1)))

const results: Result[] = []
const measure = async (network: string, recipe: string, float: number | undefined, make: () => Promise<Model>): Promise<number> => {
  const started = performance.now()
  const model = await make()
  const seconds = (performance.now() - started) / 1000
  const { correct } = await topOne(model, images)
  const pointsLost = (100 * ((float ?? correct) - correct)) / images.count
  results.push({ network, recipe, correct, pointsLost, seconds })
  console.log(
    `${network}  ${recipe.padEnd(46)} ${correct} of ${images.count}  ${pointsLost.toFixed(2)} points lost  ${seconds.toFixed(1)} s`,
  )
  return correct
}

for (const name of NETWORKS) {
  const model = await openModel(join(DATA, `cifar10-resnet/${name}.safetensors`))
  const folded = await compress(model, foldBatchNorm())
  const float = await measure(name, 'float', undefined, async () => folded)
  for (const { name: recipe, steps } of RECIPES)
    await measure(name, recipe, float, () => compress(folded, pipeline(...steps), { calibration, seed: 1 }))
  await model.close?.()
}
tf.dispose(calibration)

const lost = (network: string, recipe: string): number =>
  results.find(each => each.network === network && each.recipe === recipe)!.pointsLost
const verdicts = RECIPES.flatMap(({ name, most }) =>
  most === undefined
    ? []
    : NETWORKS.map(network => {
        const points = lost(network, name)
        return `${points <= most ? 'Holds' : 'FAILS'}: ${network}, ${name}: ${points.toFixed(2)} ≤ ${most} points lost`
      }),
)
verdicts.forEach(verdict => console.log(verdict))
if (verdicts.some(verdict => verdict.startsWith('FAILS'))) process.exitCode = 1
const record = { engine, node: process.version, images: images.count, calibrationImages: BATCH * BATCHES, results, verdicts }
await writeFile(join(ROOT, 'benchmarks/results/claims-static-int8.json'), `${JSON.stringify(record, null, 2)}\n`)

const cell = (network: string, recipe: string): string => {
  const { correct, pointsLost } = results.find(each => each.network === network && each.recipe === recipe)!
  return recipe === 'float' ? String(correct) : `${correct} (${pointsLost.toFixed(2)})`
}
const line = (values: readonly string[]): string => `| ${values.join(' | ')} |`
const table = [
  line([`batch norms folded, ${BATCH * BATCHES} images of calibration`, ...NETWORKS]),
  line(['---', ...NETWORKS.map(() => '---')]),
  ...['float', ...RECIPES.map(({ name }) => name)].map(recipe => line([recipe, ...NETWORKS.map(network => cell(network, recipe))])),
].join('\n')
const page = join(ROOT, 'benchmarks/claims/README.md')
const text = await readFile(page, 'utf8')
await writeFile(
  page,
  text.replace(/<!-- static-int8 -->[^]*<!-- \/static-int8 -->/, `<!-- static-int8 -->\n\n${table}\n\n<!-- /static-int8 -->`),
)
