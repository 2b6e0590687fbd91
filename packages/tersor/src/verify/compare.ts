import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel, withStoredGrids, type Rng } from '@tersor/core'
import { logSumExp } from '@tersor/evaluation/internal/log-softmax'
import type { GraphModel, GraphTensors, GraphValue, LanguageModel, TextEncoder } from '@tersor/models'
import { inputsOfBatch } from '@tersor/models/graph-batch'
import { withUsualInputs } from '@tersor/onnx/model'
import type { GraphInput } from '@tersor/models/internal/formats/runtime'

/** How far two computations of the same network are apart. */
export interface Difference {
  /** Of logarithms of probabilities, or of outputs. */
  readonly largest: number
  readonly mean: number
}

/** Logits → logarithms of probabilities; those that are −∞ stay so. */
const logSoftmax = (logits: ArrayLike<number>): Float64Array => {
  const total = logSumExp(logits, 0, logits.length)
  return Float64Array.from(logits, logit => logit - total)
}

/** Our own forward pass of one text, as it comes. */
export const encodingOf = async (model: LanguageModel | TextEncoder, ids: readonly number[]): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const result = tf.tidy(() => forward(model, tf.tensor2d([...ids], [1, ids.length], 'int32'), { weights }))
  const values = await result.data<'float32'>()
  result.dispose()
  dispose()
  return values
}

/** Our own forward pass: a row of logits for each id. */
export const logitsOf = async (model: LanguageModel, ids: readonly number[]): Promise<readonly Float32Array[]> => {
  const values = await encodingOf(model, ids)
  return ids.map((_, i) => values.subarray(i * model.vocabularySize, (i + 1) * model.vocabularySize))
}

/** Differences of the logarithms of probabilities, and KL(mine ‖ theirs) in nats; what a runtime gives no probability does not count. */
export const compareTokens = (
  mine: readonly ArrayLike<number>[],
  theirs: readonly ArrayLike<number>[],
): Difference & { readonly divergence: number; readonly tokens: number } => {
  let [largest, sum, count, divergence] = [0, 0, 0, 0]
  mine.forEach((row, position) => {
    const [ours, others] = [logSoftmax(row), logSoftmax(theirs[position])]
    others.forEach((other, id) => {
      if (other === -Infinity) return
      const difference = Number.isNaN(other) ? Infinity : Math.abs(ours[id] - other)
      largest = Math.max(largest, difference)
      sum += difference
      count++
      divergence += Math.exp(ours[id]) * (ours[id] - other)
    })
  })
  return { largest, mean: sum / count, divergence: Math.max(0, divergence / mine.length), tokens: mine.length }
}

/** Differences of numbers, and the largest of them without a sign, which says how much a difference is. */
export const compareOutputs = (
  mine: readonly ArrayLike<number>[],
  theirs: readonly ArrayLike<number>[],
): Difference & { readonly values: number; readonly magnitude: number } => {
  let [largest, sum, count, magnitude] = [0, 0, 0, 0]
  mine.forEach((output, index) => {
    const others = theirs[index] ?? []
    for (let i = 0; i < Math.max(output.length, others.length); i++) {
      const difference = Math.abs(output[i] - others[i])
      largest = Math.max(largest, Number.isNaN(difference) ? Infinity : difference)
      magnitude = Math.max(magnitude, Math.abs(output[i]))
      sum += difference
      count++
    }
  })
  return { largest, mean: sum / count, values: count, magnitude }
}

/** For extents that the caller of a graph chooses, besides the first. */
const FREE_EXTENT = 64

/** Noise in 0 … 1, as pixels are, and 0 or 1 for whole numbers, which are often places in a table. */
const noise = ({ dtype, shape = [] }: GraphValue, rng: Rng): tf.Tensor => {
  const extents = shape.map((extent, axis) => (typeof extent === 'number' && extent > 0 ? extent : axis === 0 ? 1 : FREE_EXTENT))
  const count = extents.reduce((product, extent) => product * extent, 1)
  const isFloat = dtype.startsWith('float')
  const values = Array.from({ length: count }, () => (isFloat ? rng.uniform() : rng.integer(2)))
  return tf.tensor(values, extents, isFloat ? 'float32' : 'int32')
}

/** All inputs of a graph: the first one as given, or noise, and of the others what follows from it, or noise. */
const inputsOf = (model: GraphModel, first: tf.Tensor | undefined, rng: Rng): GraphTensors => {
  const start = first ? inputsOfBatch(model.inputs, first) : { [model.inputs[0].name]: noise(model.inputs[0], rng) }
  try {
    return withUsualInputs(model.inputs, start)
  } catch {
    return withUsualInputs(model.inputs, { ...Object.fromEntries(model.inputs.map(value => [value.name, noise(value, rng)])), ...start })
  }
}

/** Inputs of a graph and what it makes of them here, on the host. */
export const outputsOf = async (
  model: GraphModel,
  first: tf.Tensor | undefined,
  rng: Rng,
): Promise<{ readonly inputs: readonly GraphInput[]; readonly outputs: readonly ArrayLike<number>[] }> => {
  const { weights, dispose } = await loadModel(model)
  try {
    const [given, made] = tf.tidy(() => {
      const given = inputsOf(model, first, rng)
      return [Object.values(given).map(tensor => tf.clone(tensor)), Object.values(model.run(given, withStoredGrids(model, { weights })))]
    }) as [tf.Tensor[], tf.Tensor[]]
    const data = await Promise.all([...given, ...made].map(tensor => tensor.data()))
    const inputs = model.inputs.map((value, i) => ({ value, shape: given[i].shape, data: data[i] }))
    tf.dispose([given, made])
    return { inputs, outputs: data.slice(given.length) }
  } finally {
    dispose()
  }
}
