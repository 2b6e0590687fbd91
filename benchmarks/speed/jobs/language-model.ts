import * as tf from '@tensorflow/tfjs-core'
import { capture, flush } from '@tersor/backend-ort'
import { adamUpdate } from '@tersor/kernels'
import { languageModel } from '../language-model.js'
import type { Run, Settings } from '../serve.js'

/** Runs what is recorded; other backends compute at once. */
const finish = (): void => {
  if (tf.getBackend() === 'ort') flush()
}

/** A whole training step: forward, gradients, Adam. The loss is read at every step. */
const training = (model: ReturnType<typeof languageModel>): Run => {
  const { variables, loss } = model
  const zeros = (variable: tf.Variable): tf.Variable => tf.variable(tf.zeros(variable.shape), false)
  const slots = variables.map(parameter => ({ parameter, mean: zeros(parameter), square: zeros(parameter) }))
  const gradientsOf = capture(() => {
    const { value, grads } = tf.variableGrads(loss, variables)
    return [value as tf.Tensor, ...variables.map(({ name }) => grads[name])]
  })
  let step = 0
  return () => {
    const [value, ...gradients] = gradientsOf()
    adamUpdate(slots, gradients, { rate: 1e-3, step: ++step })
    tf.dispose(gradients)
    finish()
    value.dataSync()
    value.dispose()
  }
}

/** The logits alone, computed but not looked at. */
const forward = ({ logits }: ReturnType<typeof languageModel>): Run => {
  const compute = capture(logits, { embeds: true })
  return () => {
    const output = compute()
    if (tf.getBackend() !== 'ort') output.dataSync()
    output.dispose()
  }
}

/** `what` is "train" or "forward"; plain operations of tfjs. */
export const prepare = ({ batch, what }: Settings): Run => {
  const model = languageModel(Number(batch), what === 'train')
  return what === 'train' ? training(model) : forward(model)
}
