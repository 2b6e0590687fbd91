import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, maskedOf, sitesOf } from '@tersor/core'
import { quantizeActivations } from '@tersor/quantization'
import { describeExact, describePass } from '@tersor/testing'
import { sizeOf } from '@tersor/tensor'
import { foldBatchNorm } from './fold-batch-norm.js'
import { picoLlama } from './pico-llama.js'
import { resNetModel } from './resnet.js'
import { differ, pixels, tiny, tinyStore } from './tiny-resnet.fixture.js'

const suite = { model: () => resNetModel(tiny, tinyStore()), calibration: () => [pixels(3)] }
describePass(() => foldBatchNorm(), suite)
describeExact(() => foldBatchNorm(), suite)

it('computes the same with its batch norms folded, from fewer parameters', async () => {
  const model = resNetModel(tiny, tinyStore())
  const before = tf.memory().numTensors
  const folded = await compress(model, foldBatchNorm())
  expect(folded.params.names()).toHaveLength(7 * 2 + 2)
  expect(folded.provenance).toEqual([expect.objectContaining({ method: 'fold-batch-norm' })])
  const reopened = resNetModel(tiny, folded.params)
  const x = pixels(3)
  const outputs: tf.Tensor[] = []
  for (const each of [model, folded, reopened]) {
    const { weights, dispose } = await loadModel(each)
    outputs.push(forward(each, x, { weights }))
    dispose()
  }
  expect(await differ(outputs[0], outputs[1])).toBeLessThan(1e-4)
  expect(await differ(outputs[1], outputs[2])).toBe(0)
  tf.dispose([x, ...outputs])
  expect(tf.memory().numTensors).toBe(before)
})

it('keeps the grids of inputs that were quantized before', async () => {
  const model = resNetModel(tiny, tinyStore())
  const x = pixels(3)
  const rounded = await compress(model, quantizeActivations({ bits: 3, only: '*' }), { calibration: [x] })
  const folded = await compress(rounded, foldBatchNorm())
  const grids = folded.params.names().filter(name => name.includes('.input_'))
  expect(grids).toHaveLength(2 * sitesOf(model).length)
  const outputs: tf.Tensor[] = []
  for (const each of [model, rounded, folded]) {
    const { weights, dispose } = await loadModel(each)
    outputs.push(forward(each, x, { weights }))
    dispose()
  }
  expect(await differ(outputs[0], outputs[1])).toBeGreaterThan(0.02)
  expect(await differ(outputs[1], outputs[2])).toBeLessThan(1e-3)
  tf.dispose([x, ...outputs])
})

it('does not fold what has no norms', async () => {
  const refusal = {
    code: 'COMPOSITION',
    message: 'fold-batch-norm found no batch norms to fold.\nUse it once, on a ResNet that was opened with its norms apart.',
  }
  await expect(compress(picoLlama(), foldBatchNorm())).rejects.toMatchObject(refusal)
  const folded = await compress(resNetModel(tiny, tinyStore()), foldBatchNorm())
  await expect(compress(folded, foldBatchNorm())).rejects.toMatchObject(refusal)
})

it('does not fold what is compressed', async () => {
  const model = resNetModel(tiny, tinyStore())
  const dense = await model.params.read('conv1.weight')
  const pruned = maskedOf(new Uint8Array(sizeOf(dense.shape)).fill(1), dense)
  const params = { ...model.params, read: async (name: string) => (name === 'conv1.weight' ? pruned : model.params.read(name)) }
  await expect(compress({ ...model, params }, foldBatchNorm())).rejects.toMatchObject({
    code: 'COMPOSITION',
    message:
      'fold-batch-norm would change "conv1.weight", which is compressed already (masked).\nPut fold-batch-norm before the step that compressed it.',
  })
})
