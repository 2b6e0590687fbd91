import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compress, createRng, forward, loadModel } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { rtn } from '@tersor/quantization'
import { dense, fromFloat32, fromIntegers, memoryStore, type Parameter, type ParameterStore } from '@tersor/tensor'
import { bertModel } from './bert.js'
import { checkParameters } from './check-parameters.js'
import { openModel, type OpenedModel } from '../opening/open-model.js'
import { picoLlama } from './pico-llama.js'
import type { RawConfig } from './raw-config.js'
import { settledHead } from './tied-head.js'

let path = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (path = await mkdtemp(join(tmpdir(), 'tersor-checkpoint-'))))
afterEach(() => rm(path, { recursive: true, force: true }))

type Tensors = Readonly<Record<string, Parameter>>
const tensorsOf = async (params: ParameterStore): Promise<Tensors> =>
  Object.fromEntries(await Promise.all(params.names().map(async name => [name, await params.read(name)] as const)))

const opened = async (config: RawConfig, tensors: Tensors): Promise<OpenedModel> => {
  const sink = huggingFaceSink(join(path, 'model'), { config, overwrite: true })
  for (const [name, tensor] of Object.entries(tensors)) await sink.write(name, tensor)
  await (await sink.finish()).close?.()
  return openModel(join(path, 'model'))
}

const refusal = async (config: RawConfig, tensors: Tensors) => {
  const error = (await opened(config, tensors).catch((reason: unknown) => reason)) as { code: string; message: string }
  return [error.code, ...error.message.split('\n')]
}

const outputOf = async (model: OpenedModel): Promise<number[]> => {
  const { weights, dispose } = await loadModel(model)
  const x = tf.tensor2d([[1, 2, 3, 4]], [1, 4], 'int32')
  const y = forward(model, x, { weights })
  const values = [...(await y.data())]
  tf.dispose([x, y])
  dispose()
  await model.close?.()
  return values
}

const pico = (config: RawConfig = {}) => picoLlama({ vocabulary: 20, config })
const renamed = (tensors: Tensors, change: (name: string) => string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [change(name), tensor]))
const notesOf = (model: OpenedModel): readonly string[] => ('notes' in model ? (model.notes ?? []) : [])

const random = createRng(5)
const normal = (shape: readonly number[], scale = 0.3): Parameter =>
  fromFloat32(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
    'f32',
    shape,
  )

describe('names of a checkpoint', () => {
  it.each([
    ['a base model that was saved alone', (name: string) => name.replace(/^model\./, '')],
    ['a part of a larger one', (name: string) => `language_model.${name}`],
  ])('may begin otherwise than those of the network: %s', async (_, change) => {
    const model = pico()
    const expected = await outputOf(model)
    const found = await opened(model.rawConfig, renamed(await tensorsOf(model.params), change))
    expect([...found.params.names()].sort()).toEqual([...model.params.names()].sort())
    const { storedName } = found as { storedName?: (name: string) => string }
    expect(['model.norm.weight', 'lm_head.weight'].map(name => storedName!(name))).toEqual(
      ['model.norm.weight', 'lm_head.weight'].map(change),
    )
    expect(await outputOf(found)).toEqual(expected)
  })

  it('are missed with a look at what is there', async () => {
    const { rawConfig, params } = pico()
    const tensors = await tensorsOf(params)
    const UP = 'model.layers.0.mlp.up_proj.weight'
    const { [UP]: up, ...without } = tensors
    const coded = { 'model.layers.0.mlp.up_proj.codes': fromIntegers([1], 'u8', [1]) }
    expect(await refusal(rawConfig, { ...without, ...coded })).toEqual([
      'NOT_FOUND',
      `No parameter is called "${UP}".`,
      expect.stringMatching(
        /^In its place stand model\.layers\.0\.mlp\.up_proj\.codes, which is a quantization that is not read\. Take the original/,
      ),
    ])
    const experts = { 'model.layers.0.mlp.experts.0.up_proj.weight': up }
    expect((await refusal(rawConfig, { ...without, ...experts }))[2]).toMatch(
      /^The file has experts \(model\.layers\.0\.mlp\.experts\.0\.up_proj/,
    )
    const fused = { 'model.layers.0.mlp.experts.gate_up_proj': up }
    expect((await refusal(rawConfig, { ...without, ...fused }))[2]).toMatch(/^The file has the experts of a layer in one tensor/)
    expect((await refusal(rawConfig, { ...without, [`vision.${UP}`]: up }))[2]).toMatch(
      /its names begin with "vision\.", which this network's do not\.$/,
    )
    expect((await refusal(rawConfig, { ...without, 'mlp.up_proj.weight': up }))[2]).toMatch(/its names lack "model\.layers\.0\."/)
    const moe = { ...rawConfig, model_type: 'mixtral', num_local_experts: 2 }
    expect((await refusal(moe, { ...tensors, 'model.layers.0.block_sparse_moe.gate.weight': normal([2, 32]) }))[2]).toMatch(
      /^The file has no experts/,
    )
  })

  it('of an architecture that is not known are refused with all that are', async () =>
    expect(await refusal({ model_type: 'rwkv' }, { a: normal([1]) })).toEqual([
      'UNSUPPORTED',
      'The architecture "rwkv" is not one this package runs.',
      'Known are llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, phi3, gemma2, smollm3, gpt2, bert, vit.',
    ]))
})

describe('codes', () => {
  const WEIGHT = 'model.layers.0.mlp.up_proj.weight'
  it.each([
    ['i8', dense('i8', [64, 32], new Uint8Array(2048))],
    ['u8', dense('u8', [64, 32], new Uint8Array(2048))],
    ['f8e4m3', dense('f8e4m3', [64, 32], new Uint8Array(2048))],
    ['i64', fromIntegers(new Int32Array(2048), 'i64', [64, 32])],
  ] as const)('are never a weight: %s', async (dtype, tensor) => {
    const { rawConfig, params } = pico()
    expect((await refusal(rawConfig, { ...(await tensorsOf(params)), [WEIGHT]: tensor })).slice(0, 2)).toEqual([
      'UNSUPPORTED',
      `"${WEIGHT}" is stored as ${dtype}: codes, whose scales nothing tells.`,
    ])
  })

  it.each([`${WEIGHT}_scale`, `${WEIGHT}.absmax`, `${WEIGHT.slice(0, -7)}.g_idx`])('beside a weight are an error: %s', async name => {
    const { rawConfig, params } = pico()
    expect((await refusal(rawConfig, { ...(await tensorsOf(params)), [name]: normal([1]) })).slice(0, 2)).toEqual([
      'UNSUPPORTED',
      `"${name}" is part of how "${WEIGHT}" is stored, and nothing reads it.`,
    ])
  })

  it('and tensors that nothing claims are carried and told once; buffers are not told', async () => {
    const { rawConfig, params } = pico()
    const more = {
      'model.layers.0.self_attn.k_scale': normal([1]),
      'model.layers.1.self_attn.k_scale': normal([1]),
      'model.layers.0.self_attn.rotary_emb.inv_freq': normal([4]),
      'model.seen': dense('bool', [2], Uint8Array.of(1, 0)),
    }
    const model = await opened(rawConfig, { ...(await tensorsOf(params)), ...more })
    expect(notesOf(model)).toEqual([
      'The network has no use for 3 of the tensors, which are carried along as they are: model.layers.*.self_attn.k_scale, model.seen.',
    ])
    const small = await compress(model, rtn({ bits: 8, granularity: 'row' }))
    expect(await small.params.read('model.seen')).toEqual(more['model.seen'])
    await model.close?.()
  })
})

describe('a head that the config ties', () => {
  it('is kept where the checkpoint has another, and the config says so from there on', async () => {
    const untied = pico()
    const model = await opened({ ...untied.rawConfig, tie_word_embeddings: true }, await tensorsOf(untied.params))
    expect(model.rawConfig.tie_word_embeddings).toBe(false)
    expect(notesOf(model)).toEqual([
      expect.stringMatching(/^The config ties the head to the embedding, but the file has a "lm_head\.weight" that differs/),
    ])
    expect(await outputOf(model)).toEqual(await outputOf(untied))
  })

  it('is the embedding where they are equal, and the copy is left out', async () => {
    const tied = pico({ tie_word_embeddings: true })
    const tensors = await tensorsOf(tied.params)
    const model = await opened(tied.rawConfig, { ...tensors, 'lm_head.weight': tensors['model.embed_tokens.weight'] })
    expect(model.rawConfig).toEqual(tied.rawConfig)
    expect([model.params.names().includes('lm_head.weight'), notesOf(model)]).toEqual([false, []])
    expect(await outputOf(model)).toEqual(await outputOf(tied))
  })

  it.each([
    ['gpt2', 'transformer.wte.weight', 'lm_head.weight'],
    ['gpt2', 'wte.weight', 'lm_head.weight'],
    ['bert', 'bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight'],
    ['gemma2', 'model.embed_tokens.weight', 'lm_head.weight'],
  ])('is settled for %s too: %s', async (model_type, embedding, head) => {
    const table = normal([3, 2])
    const settle = (other: Parameter) => settledHead({ model_type }, memoryStore({ [embedding]: table, [head]: other }))
    expect((await settle(normal([3, 2]))).config).toEqual({ model_type, tie_word_embeddings: false })
    const same = await settle(table)
    expect([same.config, same.params.names(), same.notes]).toEqual([{ model_type }, [embedding], []])
  })
})

describe('a config that leaves defaults out', () => {
  it('is given complete to those who leave nothing out', async () => {
    const { rms_norm_eps, rope_theta, num_key_value_heads, max_position_embeddings, ...bare } = pico({ num_key_value_heads: 4 }).rawConfig
    const model = pico({ num_key_value_heads: 4, max_position_embeddings: 2048 })
    const found = await opened(bare, await tensorsOf(model.params))
    expect(found.rawConfig).toEqual(bare)
    expect(found.family === 'language' && found.completeConfig).toMatchObject({
      ...{ rms_norm_eps, rope_theta, num_key_value_heads, max_position_embeddings: 2048 },
      ...{ head_dim: 8, tie_word_embeddings: false, hidden_act: 'silu' },
    })
    expect(max_position_embeddings).toBe(64)
    expect(await outputOf(found)).toEqual(await outputOf(model))
  })

  it.each([
    ['mixtral', { rms_norm_eps: 1e-5, rope_theta: 1e6, num_key_value_heads: 8, max_position_embeddings: 131072 }],
    ['phi3', { rms_norm_eps: 1e-5, max_position_embeddings: 4096 }],
    ['gemma2', { attn_logit_softcapping: 50, final_logit_softcapping: 30, head_dim: 256, tie_word_embeddings: true }],
    ['qwen3_moe', { num_key_value_heads: 4, head_dim: 2 }],
  ])('gets those of its architecture: %s', async (model_type, expected) => {
    const { completeLlamaConfig } = await import('./llama-config.js')
    const sizes = { hidden_size: 16, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 8, vocab_size: 4 }
    const experts = { num_local_experts: 2, num_experts: 2, moe_intermediate_size: 4 }
    expect(completeLlamaConfig({ model_type, ...sizes, ...experts })).toMatchObject(expected)
  })
})

describe('an embedding model', () => {
  const config = {
    ...{ model_type: 'bert', architectures: ['BertModel'], vocab_size: 20, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2 },
    ...{ intermediate_size: 16, max_position_embeddings: 8, type_vocab_size: 2 },
  }
  const vectors = (name: string, size: number): Tensors => ({ [`${name}.weight`]: normal([size]), [`${name}.bias`]: normal([size]) })
  const linear = (name: string, rows: number, columns: number): Tensors => ({
    [`${name}.weight`]: normal([rows, columns]),
    [`${name}.bias`]: normal([rows]),
  })
  const block = 'encoder.layer.0'
  const tensors: Tensors = {
    'embeddings.word_embeddings.weight': normal([20, 8]),
    'embeddings.position_embeddings.weight': normal([8, 8]),
    'embeddings.token_type_embeddings.weight': normal([2, 8]),
    'embeddings.position_ids': fromIntegers([0, 1, 2, 3, 4, 5, 6, 7], 'i64', [1, 8]),
    ...vectors('embeddings.LayerNorm', 8),
    ...['query', 'key', 'value'].reduce((all, name) => ({ ...all, ...linear(`${block}.attention.self.${name}`, 8, 8) }), {}),
    ...linear(`${block}.attention.output.dense`, 8, 8),
    ...vectors(`${block}.attention.output.LayerNorm`, 8),
    ...linear(`${block}.intermediate.dense`, 16, 8),
    ...linear(`${block}.output.dense`, 8, 16),
    ...vectors(`${block}.output.LayerNorm`, 8),
    ...linear('pooler.dense', 8, 8),
  }

  it('of BERT without a head gives hidden states, is compressed and keeps its pooler', async () => {
    const model = await opened(config, tensors)
    expect(model).toMatchObject({ family: 'encoder', task: 'hidden-states', notes: [] })
    const states = await outputOf(bertModel(config, memoryStore(renamed(tensors, name => `bert.${name}`))))
    expect(states).toHaveLength(4 * 8)
    await model.close?.()
    expect(await outputOf(await opened(config, tensors))).toEqual(states)
    const source = await opened(config, tensors)
    const small = await compress(source, rtn({ bits: 8, granularity: 'row' }))
    expect((await small.params.read('bert.encoder.layer.0.output.dense.weight')).kind).toBe('encoded')
    expect(await small.params.read('bert.pooler.dense.weight')).toEqual(tensors['pooler.dense.weight'])
    expect(await small.params.read('bert.embeddings.position_ids')).toEqual(tensors['embeddings.position_ids'])
    await source.close?.()
  })

  it('of the Llama family without a head gives normalised hidden states', async () => {
    const whole = pico()
    const { 'lm_head.weight': head, ...base } = renamed(await tensorsOf(whole.params), name => name.replace(/^model\./, ''))
    const model = await opened({ ...whole.rawConfig, architectures: ['LlamaModel'] }, base)
    expect(model).toMatchObject({ family: 'encoder', task: 'hidden-states', architecture: 'llama' })
    const [states, logits] = [await outputOf(model), await outputOf(whole)]
    const rows = Array.from(new Float32Array((head as { bytes: Uint8Array }).bytes.slice().buffer))
    const product = (token: number, word: number) =>
      Array.from({ length: 32 }, (_, i) => states[32 * token + i] * rows[32 * word + i]).reduce((a, b) => a + b)
    for (const [token, word] of [[0, 3], [3, 19]]) expect(product(token, word)).toBeCloseTo(logits[20 * token + word], 4) // prettier-ignore
    expect((await refusal(whole.rawConfig, base))[1]).toBe('No parameter is called "lm_head.weight".')
  })
})

it('gives no note where everything is claimed', () => {
  expect(
    checkParameters([{ name: 'a.weight', shape: [1] }], memoryStore({ 'a.weight': normal([1]), 'a.input_scale': normal([1]) })),
  ).toEqual([])
})
