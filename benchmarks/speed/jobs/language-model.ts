import * as tf from '@tensorflow/tfjs-core'
import { capture } from '@tersor/backend-ort'
import { adam, crossEntropy, forward as forwardOf, loadModel, train } from '@tersor/core'
import { languageModel } from '../language-model.js'
import type { Run, Settings } from '../serve.js'

/** `train` itself, which waits for its next batch until it is asked for a step: forward, gradients, Adam, and the loss read. */
const training = async (batch: number): Promise<Run> => {
  const { model, data } = await languageModel(batch)
  let begin = (): void => {}
  let finished = (): void => {}
  let failed = (_: unknown): void => {}
  let asked = new Promise<void>(resolve => (begin = resolve))
  const next = async () => {
    await asked
    asked = new Promise(resolve => (begin = resolve))
    return data()
  }
  const ended = train(model, {
    ...{ objective: crossEntropy, transform: adam({ learningRate: 1e-3 }), data: next, steps: Number.MAX_SAFE_INTEGER },
    onProgress: () => finished(),
  })
  ended.catch((error: unknown) => failed(error))
  return () =>
    new Promise<void>((resolve, reject) => {
      finished = resolve
      failed = reject
      begin()
    })
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
