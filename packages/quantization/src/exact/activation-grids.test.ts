import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, pipeline, type Model, type Pass } from '@tersor/core'
import { picoLlama } from '@tersor/models'
import { useEngine } from '@tersor/testing'
import { awq } from './awq.js'
import { biasedModel, matrixOfRows, vectorOf } from './biased-model.fixture.js'
import { crossLayerEqualization } from './cross-layer-equalization.js'
import { hadamard } from './hadamard.js'
import { quantizeActivations } from '../ranges/quantize-activations.js'
import { smoothQuant } from './smooth-quant.js'

useEngine()

const llama = (): Model => picoLlama({ layers: 1, vocabulary: 64, seed: 5 })
const biased = (): Model =>
  biasedModel({
    'first.weight': matrixOfRows([[8, -4]]),
    'first.bias': vectorOf(-4),
    'second.weight': matrixOfRows([[2]]),
    'second.bias': vectorOf(0),
  })
const tokens = (): tf.Tensor => tf.tensor2d([[1, 5, 9, 20]], [1, 4], 'int32')

it.each<[string, Pass, () => Model, () => tf.Tensor, string]>([
  ['awq', awq({ group: 8 }), llama, tokens, 'model.layers.0.self_attn.q_proj'],
  ['smooth-quant', smoothQuant(), llama, tokens, 'model.layers.0.self_attn.q_proj'],
  ['hadamard', hadamard(), llama, tokens, 'model.layers.0.self_attn.q_proj'],
  ['cross-layer-equalization', crossLayerEqualization(), biased, () => tf.tensor2d([[1, 2]]), 'first'],
])('does not let %s change inputs behind a grid that was learned from them', async (name, pass, model, batch, site) => {
  const x = batch()
  await expect(compress(model(), pipeline(quantizeActivations(), pass), { calibration: [x] })).rejects.toMatchObject({
    code: 'COMPOSITION',
    message: `${name} would change the inputs of "${site}", whose grid was learned from those of now.\nPut ${name} before quantize-activations.`,
  })
  x.dispose()
})
