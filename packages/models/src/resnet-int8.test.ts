import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compress, forward, loadModel, pipeline, quantizedActivations, type Model, type Step } from '@tersor/core'
import { biasCorrection, crossLayerEqualization, quantizeActivations, rtn } from '@tersor/quantization'
import { foldBatchNorm } from './fold-batch-norm.js'
import { resNetModel } from './resnet.js'
import { DATA, describeData, readJson, readTensors } from './shared-data.reference.js'
import { differ, pixels, tiny, tinyStore } from './tiny-resnet.reference.js'

const logitsOf = async (model: Model, x: tf.Tensor): Promise<tf.Tensor> => {
  const { weights, dispose } = await loadModel(model)
  const logits = forward(model, x, { weights })
  await logits.data()
  dispose()
  return logits
}

it('equalizes the blocks of a folded ResNet without changing what it computes', async () => {
  const folded = await compress(resNetModel(tiny, tinyStore()), foldBatchNorm())
  const x = pixels(3)
  const [before, after] = [await logitsOf(folded, x), await logitsOf(await compress(folded, crossLayerEqualization()), x)]
  expect(await differ(before, after)).toBeLessThan(1e-3)
  const weight = await (await compress(folded, crossLayerEqualization())).params.read('layer1.0.conv1.weight')
  expect(weight).not.toEqual(await folded.params.read('layer1.0.conv1.weight'))
  tf.dispose([x, before, after])
})

it('finds the grids of its activations again when it is made anew from the store', async () => {
  const folded = await compress(resNetModel(tiny, tinyStore()), foldBatchNorm())
  const x = pixels(3)
  const small = await compress(folded, quantizeActivations({ bits: 4, only: '*' }), { calibration: [x] })
  const [saved, opened] = [await logitsOf(small, x), await logitsOf(quantizedActivations(resNetModel(tiny, small.params)), x)]
  expect(await differ(saved, opened)).toBe(0)
  const plain = await logitsOf(folded, x)
  expect(await differ(saved, plain)).toBeGreaterThan(1e-3)
  tf.dispose([x, saved, opened, plain])
})

const SEEN = 32

/** All 2,000 images and ResNet-56 take minutes: benchmarks/claims/static-int8.ts counts them. */
describeData('cifar10-resnet', 'the trained ResNet-20', () => {
  it('keeps its answers in static int8, and most at 4 bits once biases are corrected', async () => {
    const model = resNetModel(readJson('cifar10-resnet/resnet20.json'), readTensors('cifar10-resnet/resnet20.safetensors'))
    const read = (name: string, count: number): tf.Tensor =>
      tf.tensor4d(Float32Array.from(readFileSync(join(DATA, `cifar10/${name}.images.u8`)).subarray(0, count * 3072)), [count, 32, 32, 3])
    const folded = await compress(model, foldBatchNorm())
    const [x, learn] = [read('cifar10-test-2000', SEEN), read('cifar10-train-lossless-3000', SEEN)]
    const answersOf = async (each: Model): Promise<Int32Array> => {
      const logits = await logitsOf(each, x)
      const chosen = tf.argMax(logits, 1)
      const answers = await chosen.data<'int32'>()
      tf.dispose([logits, chosen])
      return answers
    }
    const plain = await answersOf(folded)
    const kept = async (...steps: Step[]): Promise<number> => {
      const answers = await answersOf(await compress(folded, pipeline(...steps), { calibration: [learn] }))
      return answers.filter((answer, i) => answer === plain[i]).length
    }
    const int8 = rtn({ bits: 8, granularity: 'row', only: '*' })
    expect(await kept(int8, quantizeActivations({ only: '*' }))).toBeGreaterThanOrEqual(SEEN - 1)
    const four = rtn({ bits: 4, granularity: 'row' })
    const [rounded, corrected] = [await kept(four), await kept(four, biasCorrection())]
    expect(corrected).toBeGreaterThanOrEqual(SEEN - 4)
    expect(corrected).toBeGreaterThanOrEqual(rounded)
    tf.dispose([x, learn])
  })
})
