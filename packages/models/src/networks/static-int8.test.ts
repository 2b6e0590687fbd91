import '@tersor/backend-ort'
import * as tf from '@tensorflow/tfjs-core'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compress, forward, loadModel, pipeline, type Model } from '@tersor/core'
import { quantizeActivations, rtn } from '@tersor/quantization'
import { foldBatchNorm } from './fold-batch-norm.js'
import { openModel } from '../opening/open-model.js'
import { DATA, describeData } from '../shared-data.fixture.js'

/** Few enough for a second or two; all 2,000 are counted by `npm run claims -- static-int8`. */
const IMAGES = 16
const LEARNED = 4

const imagesOf = (name: string, count: number): tf.Tensor4D => {
  const bytes = readFileSync(join(DATA, `cifar10/${name}.images.u8`)).subarray(0, count * 32 * 32 * 3)
  return tf.tensor4d(Float32Array.from(bytes), [count, 32, 32, 3])
}

const answersOf = async (model: Model, images: tf.Tensor): Promise<Int32Array> => {
  const { weights, dispose } = await loadModel(model)
  const best = tf.tidy(() => tf.argMax(forward(model, images, { weights }), -1))
  const answers = await best.data<'int32'>()
  best.dispose()
  dispose()
  return answers
}

describeData('cifar10-resnet', 'the trained ResNet-20 in static int8', () => {
  it('keeps its answers on the first test images', async () => {
    await tf.ready()
    expect(tf.getBackend()).toBe('ort')
    const model = await openModel(join(DATA, 'cifar10-resnet/resnet20.safetensors'))
    const [images, learn] = [imagesOf('cifar10-test-2000', IMAGES), imagesOf('cifar10-train-lossless-3000', LEARNED)]
    const labels = readFileSync(join(DATA, 'cifar10/cifar10-test-2000.labels.u8')).subarray(0, IMAGES)
    const folded = await compress(model, foldBatchNorm())
    const steps = pipeline(rtn({ bits: 8, granularity: 'row', only: '*' }), quantizeActivations({ only: '*' }))
    const small = await compress(folded, steps, { calibration: [learn] })
    expect(small.params.info('conv1.weight').codec).toBe('matrix')
    expect(small.params.names().filter(name => name.endsWith('.input_scale'))).toHaveLength(20)
    const [before, after] = [await answersOf(folded, images), await answersOf(small, images)]
    const right = (answers: Int32Array): number => answers.filter((answer, i) => answer === labels[i]).length
    expect(right(before)).toBeGreaterThan(0.7 * IMAGES)
    expect(right(after)).toBeGreaterThanOrEqual(right(before) - 1)
    expect(after.filter((answer, i) => answer === before[i]).length).toBeGreaterThanOrEqual(0.95 * IMAGES)
    tf.dispose([images, learn])
    await model.close?.()
  })
})
