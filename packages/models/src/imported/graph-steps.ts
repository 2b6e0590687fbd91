import * as tf from '@tensorflow/tfjs-core'
import { withStoredGrids, type Env } from '@tersor/core'
import type { GraphModel, GraphTensors } from './graph-model.js'
import type { TokenSteps } from '../generation/token-steps.js'

const PAST = 'past_key_values.'
const PRESENT = 'present.'

/** What a graph remembers: an output for each input of past keys and values; none where it takes no past, or does not give it back. */
const memoryOf = ({ inputs, outputs }: Pick<GraphModel, 'inputs' | 'outputs'>): ReadonlyMap<string, string> => {
  const given = new Set(outputs.map(({ name }) => name))
  const pairs = inputs.flatMap(({ name }) => (name.startsWith(PAST) ? [[name, PRESENT + name.slice(PAST.length)] as const] : []))
  return new Map(pairs.every(([, present]) => given.has(present)) ? pairs : [])
}

/** A row of whole numbers, (1, count). */
const row = (count: number, valueAt: (index: number) => number): tf.Tensor =>
  tf.tensor2d(
    Int32Array.from({ length: count }, (_, index) => valueAt(index)),
    [1, count],
    'int32',
  )

/**
 * Steps of a decoder that was imported as a graph: what it remembers goes in again as past keys and values. One that takes no past runs over
 * the whole text for each token. Where its first output has the logits of all new tokens, those of the last are given.
 */
export const graphSteps = (model: GraphModel, env: Env): TokenSteps => {
  const memory = memoryOf(model)
  const onGrids = withStoredGrids(model, env)
  const names = new Set(model.inputs.map(({ name }) => name))
  const text: number[] = []
  let past: GraphTensors = {}
  return {
    next: async ids => {
      text.push(...ids)
      const fresh = memory.size > 0 ? ids : text
      const before = text.length - fresh.length
      const { logits, ...present } = tf.tidy(() => {
        const given: Record<string, tf.Tensor> = { ...past, [model.inputs[0].name]: row(fresh.length, index => fresh[index]) }
        if (names.has('attention_mask')) given.attention_mask = row(text.length, () => 1)
        if (names.has('position_ids')) given.position_ids = row(fresh.length, index => before + index)
        const results = model.run(given, onGrids)
        const all = results[model.outputs[0].name] // (1, tokens, vocabulary)
        const last = tf.slice(all, [0, all.shape[1]! - 1, 0], [1, 1, all.shape[2]!])
        return { ...Object.fromEntries([...memory].map(([input, output]) => [input, results[output]])), logits: last }
      })
      tf.dispose(past)
      past = present
      try {
        return await logits.data<'float32'>()
      } finally {
        logits.dispose()
      }
    },
    dispose: () => {
      tf.dispose(past)
      past = {}
    },
  }
}
