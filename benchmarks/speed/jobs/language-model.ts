import * as tf from '@tensorflow/tfjs-core'
import { capture } from '@tersor/backend-ort'
import { forward as forwardOf, loadModel } from '@tersor/core'
import { languageModel } from '../language-model.js'
import type { Run, Settings } from '../serve.js'
import { stepping } from '../stepping.js'

/** `train` itself: forward, gradients, Adam, and the loss read. */
const training = async (batch: number): Promise<Run> => {
  const { model, data } = await languageModel(batch)
  return stepping(model, data).step
}

/** The logits alone, computed but not looked at. */
const forward = async (batch: number): Promise<Run> => {
  const { model, data } = await languageModel(batch)
  const { weights } = await loadModel(model)
  const { input } = data()
  const compute = capture(() => forwardOf(model, input, { weights }), { embeds: true })
  return () => {
    const output = compute()
    if (tf.getBackend() !== 'ort') output.dataSync()
    output.dispose()
  }
}

/** `what` is "train" or "forward"; the network is of plain operations of tfjs. */
export const prepare = ({ batch, what }: Settings): Promise<Run> => (what === 'train' ? training : forward)(Number(batch))
