import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import type { CachePlan } from '@tersor/core'
import { adaptive, expectedAttention, h2o, pyramid, snapKv, streamingLlm, tova } from '@tersor/kv-cache'
import { loadSession, openModel, openSession, picoLlama, saveSession, type LanguageModel, type Session } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
import { memorySink, memoryStore, type Parameter } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteTokenizerJson } from '../../../tersor/src/byte-tokenizer.fixture.js'
import { onnxDecoderSink, type OnnxDecoderOptions } from '../decoder.js'

const GEMMA = { model_type: 'gemma2', sliding_window: 12, attn_logit_softcapping: 20, query_pre_attn_scalar: 16, head_dim: 16 }
const pico = (config = {}): LanguageModel => picoLlama({ hidden: 64, heads: 4, keyValueHeads: 2, context: 64, seed: 3, config })
const MODELS: Readonly<Record<string, () => LanguageModel>> = {
  llama: () => pico(),
  'mistral with windows': () => pico({ model_type: 'mistral', sliding_window: 9 }),
  'gemma 2 with windows and soft caps': () => pico(GEMMA),
}
const PLANS: Readonly<Record<string, () => CachePlan>> = {
  'snap-kv': () => [snapKv({ keep: 10, recent: 4 })],
  'h2o at each token': () => [h2o({ keep: 9, every: 1 })],
  'tova every two tokens': () => [tova({ keep: 9, every: 2 })],
  'expected attention': () => [expectedAttention({ keep: 12 })],
  'ragged heads and layers': () => [adaptive({ policy: pyramid({ policy: snapKv({ keep: 12, recent: 3 }), beta: 4 }) })],
  'compact streaming': () => [streamingLlm({ sinks: 2, window: 9, slack: 2, positions: 'compact' })],
}
const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 250)
const REST = [[4], [9], [1, 2, 3], [7], [11], [30], [5]]

let folder = ''
beforeAll(async () => {
  await tf.setBackend('ort')
  folder = await mkdtemp(join(tmpdir(), 'tersor-graph-session-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
let count = 0
const graphOf = async (model: LanguageModel, options: OnnxDecoderOptions = {}): Promise<TextGraph> => {
  const path = join(folder, String(count++))
  const sink = onnxDecoderSink(path, { rawConfig: model.rawConfig, files: { 'tokenizer.json': json(byteTokenizerJson()) } }, options)
  for (const each of model.params.names()) await sink.write(each, await model.params.read(each))
  await (await sink.finish()).close?.()
  return (await openModel(path)) as TextGraph
}

const read = async (session: Session, texts = [PROMPT, ...REST]): Promise<number[]> => {
  const logits: number[] = []
  for (const ids of texts) logits.push(...(await session.append(ids)))
  return logits
}
const logitsOf = async (model: LanguageModel | TextGraph, cache: CachePlan = [], how = {}): Promise<number[]> => {
  const session = await openSession(model, { cache, ...how })
  const logits = await read(session)
  session.dispose()
  return logits
}
const apart = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((value, i) => Math.abs(value - b[i])))

describe.each(Object.keys(MODELS))('sessions of a graph of %s', name => {
  const model = MODELS[name]()
  describe.each(['plain', 'fused'] as const)('with %s attention', attention => {
    let graph: TextGraph
    let before = 0
    beforeAll(async () => void (graph = await graphOf(model, { attention })))
    beforeEach(() => (before = tf.memory().numTensors))
    afterEach(() => expect(tf.memory().numTensors).toBe(before))
    afterAll(() => graph.close?.())

    it('gives the logits of the network that it was written from', async () => {
      expect(apart(await logitsOf(graph), await logitsOf(model))).toBeLessThan(2e-5)
    })

    it('gives the same bits where a plan lets nothing go', async () => {
      expect(await logitsOf(graph, [snapKv({ keep: 60, recent: 4 })])).toEqual(await logitsOf(graph))
    })

    it.each(Object.keys(PLANS))('evicts as the network does: %s', async plan => {
      const far = apart(await logitsOf(graph, PLANS[plan]()), await logitsOf(model, PLANS[plan]()))
      console.log(name, attention, plan, far)
      expect(far).toBeLessThan(2e-5)
    })
  })
})
