/** Counts the right classes of the trained ResNets on all 2,000 test images: 1621 and 1651 are recorded. */
import '@tersor/backend-ort'
import * as tf from '@tensorflow/tfjs-core'
import { join } from 'node:path'
import { compress } from '@tersor/core'
import { readImages, topOne } from '@tersor/evaluation'
import { foldBatchNorm, openModel } from '@tersor/models'

const DATA = process.env.TERSOR_DATA ?? join(process.cwd(), '../shared/data')
const RECORDED = { resnet20: 1621, resnet56: 1651 }
const TOLERANCE = 2

await tf.ready()
console.log(`engine: ${tf.getBackend()}`)
const images = await readImages(join(DATA, 'cifar10/cifar10-test-2000.json'))
for (const [name, recorded] of Object.entries(RECORDED)) {
  const model = await openModel(join(DATA, `cifar10-resnet/${name}.safetensors`))
  if (model.family !== 'image') throw new Error(`${name} is no classifier.`)
  for (const [what, each] of [
    ['norms apart', model],
    ['norms folded', await compress(model, foldBatchNorm())],
  ] as const) {
    const started = performance.now()
    const { correct, count } = await topOne(each, images)
    const seconds = (performance.now() - started) / 1000
    const verdict = Math.abs(correct - recorded) <= TOLERANCE ? 'as recorded' : `RECORDED ${recorded}`
    console.log(`${name}, ${what}: ${correct} of ${count} right (${verdict}), ${seconds.toFixed(1)} s`)
    if (Math.abs(correct - recorded) > TOLERANCE) process.exitCode = 1
  }
  await model.close?.()
}
