import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { describeCouplings } from '@tersor/testing'
import { openOnnxModel, type OnnxModel } from '../model.js'
import { IMAGE_NETWORK, smallGraph } from './coupled-graphs.fixture.js'

let model: OnnxModel
beforeAll(async () => {
  await tf.setBackend('cpu')
  model = await openOnnxModel(new Blob([smallGraph(IMAGE_NETWORK) as Uint8Array<ArrayBuffer>]))
})
afterAll(() => model.close!())

describeCouplings('a graph of an image network', {
  make: () => model,
  input: () => tf.tidy(() => tf.sin(tf.reshape(tf.range(0, 2 * 192), [2, 3, 8, 8]))),
})
