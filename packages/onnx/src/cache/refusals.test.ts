import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import type { CachePlan } from '@tersor/core'
import { expectedAttention, h2o, streamingLlm } from '@tersor/kv-cache'
import { openSession } from '@tersor/models'
import { byteTokenizer } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeModel, graphBuilder, modelOf, type GraphBuilder } from '../file.js'
import { openOnnxModel } from '../model.js'
import { decodingOf } from './decoding.js'

const SIZE = 4
let folder = ''
beforeAll(async () => {
  await tf.setBackend('ort')
  folder = await mkdtemp(join(tmpdir(), 'tersor-refused-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A decoder of one head whose keys, values and queries are the numbers of its ids; `mix` says how it attends. */
const decoder = async (
  mix: (g: GraphBuilder, q: string, k: string, v: string) => string,
  config = {},
  positions = true,
): Promise<TextGraph> => {
  const g = graphBuilder('')
  const wide = g.op('Unsqueeze', [g.op('Unsqueeze', [g.cast('input_ids', 'f32'), g.int64([1])]), g.int64([3])]) // (1, 1, tokens, 1)
  const vectors = g.op('Sin', [g.op('Mul', [wide, g.constant('f32', [SIZE], [0.3, 0.7, 1.1, 1.9])])])
  for (const part of ['key', 'value'])
    g.rename(g.op('Concat', [`past_key_values.0.${part}`, vectors], { attributes: { axis: 2 } }), `present.0.${part}`)
  const mixed = mix(g, vectors, 'present.0.key', 'present.0.value')
  g.rename(g.op('Squeeze', [mixed, g.int64([1])]), 'logits')
  const past = ['key', 'value'].map(part => ({ name: `past_key_values.0.${part}`, dtype: 'f32' as const, shape: [1, 1, 'past', SIZE] }))
  const ids = (name: string) => ({ name, dtype: 'i64' as const, shape: [1, 'tokens'] })
  const model = modelOf({
    ...{ name: 'toy', graph: g },
    inputs: [ids('input_ids'), ...(positions ? [ids('position_ids')] : []), ...past],
    outputs: [{ name: 'logits', dtype: 'f32', shape: [1, 'tokens', SIZE] }, ...['key', 'value'].map(part => ({ name: `present.0.${part}`, dtype: 'f32' as const, shape: [1, 1, 'total', SIZE] }))], // prettier-ignore
  })
  const path = join(folder, 'toy.onnx')
  await writeFile(path, encodeModel(model))
  const opened = await openOnnxModel(path)
  const decoding = decodingOf(opened, config)!
  const text = { tokenizer: byteTokenizer(), config: { eos: [] }, contextLength: 32, vocabularySize: SIZE }
  return { ...opened, text, decoding }
}
const causal = (g: GraphBuilder, scores: string): string => {
  const at = (x: string, axis: number) => g.op('Squeeze', [g.op('Gather', [g.op('Shape', [x]), g.int64([axis])])])
  const [zero, one] = [g.constant('i64', [], [0]), g.constant('i64', [], [1])]
  const [tokens, keys] = [at(scores, 2), at(scores, 3)]
  const now = g.op('Unsqueeze', [g.op('Range', [g.op('Sub', [keys, tokens]), keys, one]), g.int64([1])])
  const seen = g.op('LessOrEqual', [g.op('Range', [zero, keys, one]), now])
  return g.op('Where', [seen, scores, g.constant('f32', [], [-1e9])])
}
const product = (g: GraphBuilder, q: string, k: string): string => g.op('MatMul', [q, g.op('Transpose', [k], { attributes: { perm: [0, 1, 3, 2] } })]) // prettier-ignore
const softmax = (g: GraphBuilder, q: string, k: string, v: string): string =>
  g.op('MatMul', [g.op('Softmax', [causal(g, g.op('Mul', [product(g, q, k), g.constant('f32', [], [1.7])]))], { attributes: { axis: -1 } }), v]) // prettier-ignore
/** Shares without a softmax, as linear attention has them. */
const linear = (g: GraphBuilder, q: string, k: string, v: string): string => g.op('MatMul', [product(g, q, k), v])
/** A softmax of distances, not of products. */
const distances = (g: GraphBuilder, q: string, k: string, v: string): string => {
  const scores = product(g, q, k)
  return g.op('MatMul', [g.op('Softmax', [causal(g, g.op('Mul', [scores, scores]))], { attributes: { axis: -1 } }), v])
}

const opening = async (graph: TextGraph, cache: CachePlan): Promise<void> => {
  const before = tf.memory().numTensors
  try {
    const session = await openSession(graph, { cache })
    await session.append([1, 2, 3, 0, 1, 2]).finally(() => session.dispose())
  } finally {
    await graph.close?.()
    expect(tf.memory().numTensors).toBe(before)
  }
}

it('finds the factor of a graph that nobody described', async () => {
  await opening(await decoder(softmax), [h2o({ keep: 3 })])
})

it.each<[string, Promise<TextGraph> | (() => Promise<TextGraph>), CachePlan, string]>([
  [
    'attention by operators that are not known',
    () => decoder(linear),
    [h2o({ keep: 3 })],
    'Layer 0 of the graph attends by operators that are not known here',
  ],
  [
    'shares that products do not explain',
    () => decoder(distances),
    [h2o({ keep: 3 })],
    'Layer 0 of the graph attends in a way that its config and operators do not tell.\nChoose a policy that needs no attention',
  ],
  ['no positions', () => decoder(softmax, {}, false), [h2o({ keep: 3 })], 'The graph takes no position_ids'],
  [
    'a rotation that is not known',
    () => decoder(softmax),
    [streamingLlm({ sinks: 1, window: 2, slack: 1, positions: 'compact' })],
    'How positions turn keys is not known of a graph without a config.json.',
  ],
  [
    'a rotation that is not known of its architecture',
    () => decoder(softmax, { model_type: 'falcon' }),
    [expectedAttention({ keep: 5 })],
    'How positions turn keys is not known of a "falcon".',
  ],
  [
    'learned positions',
    () => decoder(softmax, { model_type: 'gpt2' }),
    [streamingLlm({ sinks: 1, window: 2, slack: 1, positions: 'compact' })],
    'streaming-llm renumbers positions, and this model adds learned ones',
  ],
])('refuses a plan for %s', async (_what, make, cache, words) => {
  await expect(opening(await (make as () => Promise<TextGraph>)(), cache)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining(words),
  })
})
