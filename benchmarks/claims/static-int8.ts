/** Static int8 and 4-bit weights of the trained ResNets, on all 2,000 test images; writes the table to ../results/claims-static-int8.json. */
import '@tersor/backend-ort'
import * as tf from '@tensorflow/tfjs-core'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compress, pipeline, type Step } from '@tersor/core'
import { readImages, topOne } from '@tersor/evaluation'
import { foldBatchNorm, openModel } from '@tersor/models'
import { biasCorrection, gptq, quantizeActivations, rtn } from '@tersor/quantization'

const DATA = process.env.TERSOR_DATA ?? join(process.cwd(), '../shared/data')
const RESULTS = fileURLToPath(new URL('../results/claims-static-int8.json', import.meta.url))
const BATCH = 64
const BATCHES = 4

/** Every site, the head too: all products have integers on both sides. */
const ALL = '*'
const INT8 = rtn({ bits: 8, granularity: 'row', only: ALL })
const FOUR = { bits: 4, granularity: 'row' } as const

/** Steps, and how many points of top-1 they may cost; nothing is asked of those without. */
const CLAIMS: Readonly<Record<string, readonly [steps: readonly Step[], points?: number]>> = {
  'int8 weights and activations, min-max': [[INT8, quantizeActivations({ only: ALL })], 0.5],
  'int8 weights and activations, entropy': [[INT8, quantizeActivations({ only: ALL, observer: 'entropy' })], 0.5],
  '4-bit weights': [[rtn(FOUR)]],
  '4-bit weights, bias correction': [[rtn(FOUR), biasCorrection()], 2],
  '4-bit weights by GPTQ, bias correction': [[gptq(FOUR), biasCorrection()], 2],
}

await tf.ready()
console.log(`engine: ${tf.getBackend()}`)
const images = await readImages(join(DATA, 'cifar10/cifar10-test-2000.json'))
const learn = await readImages(join(DATA, 'cifar10/cifar10-train-lossless-3000.json'))
const calibration = Array.from({ length: BATCHES }, (_, index) => learn.batch(BATCH * index, BATCH * (index + 1)))
const rows: { model: string; what: string; correct: number; of: number; points: number }[] = []
for (const name of ['resnet20', 'resnet56']) {
  const model = await openModel(join(DATA, `cifar10-resnet/${name}.safetensors`))
  if (model.family !== 'image') throw new Error(`${name} is no classifier.`)
  const folded = await compress(model, foldBatchNorm())
  const { correct: float } = await topOne(folded, images)
  console.log(`| ${name}, float | ${float} | |`)
  for (const [what, [steps, most]] of Object.entries(CLAIMS)) {
    const { correct, count } = await topOne(await compress(folded, pipeline(...steps), { calibration, seed: 1 }), images)
    const points = (100 * (float - correct)) / count
    rows.push({ model: name, what, correct, of: count, points })
    console.log(`| ${name}, ${what} | ${correct} | ${points.toFixed(2)} |`)
    if (most !== undefined && points > most) process.exitCode = 1
  }
  await model.close?.()
}
writeFileSync(RESULTS, `${JSON.stringify(rows, null, 2)}\n`)
