import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { memoryStore } from '@tersor/tensor'
import { byteTokenizer } from '../generation/byte-tokenizer.js'
import { generate, type TextGraph } from '../generation/generate.js'
import type { GraphTensors, GraphValue } from './graph-model.js'

const VOCABULARY = 16

/** The token after a text: one more than the sum of all its tokens. */
const after = (sum: number): number => (sum + 1) % VOCABULARY

/** A graph that sums tokens: those of the whole text, or those behind a past, which holds a sum itself. */
const summing = (remembers: boolean, asked: Record<string, number[]>[] = []): TextGraph => {
  const value = (name: string): GraphValue => ({ name, dtype: 'float32', shape: undefined })
  const past = remembers ? ['past_key_values.0.key'] : []
  const run = (given: GraphTensors): GraphTensors => {
    asked.push(Object.fromEntries(Object.entries(given).map(([name, tensor]) => [name, Array.from(tensor.dataSync())])))
    const ids = Array.from(given.input_ids.dataSync())
    const start = given[past[0]]?.dataSync()[0] ?? 0
    const sums = ids.map((_, i) => start + ids.slice(0, i + 1).reduce((a, b) => a + b, 0))
    const rows = sums.map(sum => Array.from({ length: VOCABULARY }, (_, id) => (id === after(sum) ? 1 : 0)))
    return { logits: tf.tensor3d([rows]), 'present.0.key': tf.tensor4d([[[[sums.at(-1)!]]]]) }
  }
  return {
    ...{ family: 'graph', format: 'onnx', architecture: 'sums', rawConfig: {}, params: memoryStore({}), run },
    inputs: ['input_ids', 'attention_mask', 'position_ids', ...past].map(value),
    outputs: ['logits', ...(remembers ? ['present.0.key'] : [])].map(value),
    stages: [{ name: 'graph', parameters: [], sites: [], run: x => x }],
    text: { tokenizer: byteTokenizer(), config: { eos: [7] }, contextLength: 12, vocabularySize: VOCABULARY },
  }
}

const idsFrom = async (model: TextGraph, prompt: readonly number[], tokens = 4): Promise<number[]> => {
  const ids: number[] = []
  for await (const { id } of generate(model, { prompt, tokens })) ids.push(id)
  return ids
}

let before = 0
beforeAll(async () => {
  await tf.setBackend('cpu')
})
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

it('gives a graph its past again, with positions behind it and a mask over all', async () => {
  const asked: Record<string, number[]>[] = []
  // sums 5, 5 + 6 = 11, 11 + 12 = 23, 23 + 8 = 31: then 6, 12, 24 mod 16 = 8, 32 mod 16 = 0
  expect(await idsFrom(summing(true, asked), [2, 3])).toEqual([6, 12, 8, 0])
  expect(asked.slice(0, 2)).toEqual([
    { input_ids: [2, 3], attention_mask: [1, 1], position_ids: [0, 1] },
    { 'past_key_values.0.key': [5], input_ids: [6], attention_mask: [1, 1, 1], position_ids: [2] },
  ])
})

it('runs a graph without a past over the whole text for each token', async () => {
  const asked: Record<string, number[]>[] = []
  expect(await idsFrom(summing(false, asked), [2, 3])).toEqual([6, 12, 8, 0])
  expect(asked.map(({ input_ids: ids }) => ids)).toEqual([
    [2, 3],
    [2, 3, 6],
    [2, 3, 6, 12],
    [2, 3, 6, 12, 8],
  ])
  expect(asked[2].position_ids).toEqual([0, 1, 2, 3])
})

it('stops at a token that ends a text, at the end of the context, and when it is left', async () => {
  expect(await idsFrom(summing(true), [1, 5])).toEqual([]) // 7 comes next
  expect(await idsFrom(summing(true), [2, 3, 0, 0, 0, 0, 0, 0, 0, 0], 9)).toEqual([6, 12])
  for await (const { id } of generate(summing(true), { prompt: [2, 3] })) {
    expect(id).toBe(6)
    break
  }
})

it('has no integers for the activations of a graph', async () => {
  const tokens = generate(summing(true), { prompt: [1], activations: 'int8' })
  await expect(tokens.next()).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message:
      'activations is "int8", and an imported graph multiplies decoded weights.\nLeave it out, or generate from the folder that the graph was made of.',
  })
})
