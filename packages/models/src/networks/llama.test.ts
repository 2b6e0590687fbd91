import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { forward, loadModel, openCaches } from '@tersor/core'
import { registerGradients } from '@tersor/kernels'
import { memoryStore } from '@tersor/tensor'
import { LLAMA_ARCHITECTURES } from './llama-config.js'
import { llamaModel } from './llama.js'
import type { LanguageModel } from './language-model.js'
import { picoLlama } from './pico-llama.js'
import { describeData, readJson, readTensor, readTensors } from '../shared-data.fixture.js'

const largestDifference = async (a: tf.Tensor, b: tf.Tensor): Promise<number> => {
  const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))))
  const [value] = await difference.data()
  difference.dispose()
  return value
}

const run = async (model: LanguageModel, ids: tf.Tensor): Promise<tf.Tensor> => {
  const { weights, dispose } = await loadModel(model)
  const logits = forward(model, ids, { weights })
  dispose()
  return logits
}

/** Feeds the columns of ids in pieces through the caches. */
const runInPieces = async (model: LanguageModel, ids: tf.Tensor, pieces: readonly number[]): Promise<tf.Tensor> => {
  const { weights, dispose } = await loadModel(model)
  const caches = openCaches(model)
  let from = 0
  const parts = pieces.map(count => {
    const part = tf.tidy(() => caches.forward(tf.slice(ids, [0, from], [ids.shape[0], count]), { weights }))
    from += count
    return part
  })
  const logits = tf.concat(parts, 1)
  parts.forEach(part => part.dispose())
  caches.dispose()
  dispose()
  return logits
}

const VARIANTS: Record<string, Record<string, unknown>> = {
  llama: {},
  'biases everywhere, tied': { attention_bias: true, mlp_bias: true, tie_word_embeddings: true },
  'a window of 5': { model_type: 'mistral', sliding_window: 5 },
  'a window in the last layer': { model_type: 'qwen2', use_sliding_window: true, sliding_window: 3, max_window_layers: 1 },
  'normalised queries and keys, heads of their own size': { model_type: 'qwen3', head_dim: 6 },
  'layers without rotation': { model_type: 'smollm3', no_rope_layers: [0, 1] },
  'fused projections': { model_type: 'phi3' },
  'experts in each layer': { model_type: 'mixtral', num_local_experts: 3 },
  'experts in every second layer': {
    model_type: 'qwen3_moe',
    num_experts: 3,
    moe_intermediate_size: 8,
    decoder_sparse_step: 2,
    head_dim: 6,
  },
  'norms on both sides and caps': {
    model_type: 'gemma2',
    sliding_window: 5,
    head_dim: 6,
    attn_logit_softcapping: 4,
    final_logit_softcapping: 3,
  },
}

describe('the Llama family', () => {
  it('runs on the backend it is tested on', async () => {
    await tf.ready()
    expect(tf.getBackend()).toBe('cpu')
  })

  it.each(Object.keys(VARIANTS))('gives the same logits token by token as in one pass: %s', async name => {
    const model = picoLlama({ vocabulary: 50, config: VARIANTS[name] })
    const before = tf.memory().numTensors
    const ids = tf.tensor2d(
      [Array.from({ length: 11 }, (_, i) => (i * 7) % 50), Array.from({ length: 11 }, (_, i) => (i * i) % 50)],
      [2, 11],
      'int32',
    )
    const whole = await run(model, ids)
    const pieces = await runInPieces(model, ids, [4, 1, 1, 2, 3])
    expect(await largestDifference(whole, pieces)).toBeLessThan(1e-5)
    tf.dispose([ids, whole, pieces])
    expect(tf.memory().numTensors).toBe(before)
  })

  it('takes positions from the caller', async () => {
    const model = picoLlama()
    const { weights, dispose } = await loadModel(model)
    const ids = tf.tensor2d([[3, 1, 4, 1, 5]], [1, 5], 'int32')
    const positions = tf.tensor1d([0, 1, 2, 3, 4], 'int32')
    const shifted = tf.tensor1d([0, 1, 2, 7, 9], 'int32')
    const [plain, given, moved] = [undefined, positions, shifted].map(p => forward(model, ids, { weights, ...(p ? { positions: p } : {}) }))
    expect(await largestDifference(plain, given)).toBeLessThan(1e-5)
    expect(await largestDifference(plain, moved)).toBeGreaterThan(1e-3)
    dispose()
    tf.dispose([ids, positions, shifted, plain, given, moved])
  })

  it('shows every linear layer its input, and only those', async () => {
    const model = picoLlama({ layers: 1 })
    const { weights, dispose } = await loadModel(model)
    const ids = tf.tensor2d([[3, 1, 4]], [1, 3], 'int32')
    const seen: [string, number[]][] = []
    forward(model, ids, { weights, tap: (site, x) => seen.push([site.name.replace('model.layers.0.', ''), x.shape]) }).dispose()
    const hidden = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj']
    expect(seen).toEqual([...hidden.map(name => [name, [3, 32]]), ['mlp.down_proj', [3, 64]], ['lm_head', [3, 32]]])
    dispose()
    ids.dispose()
  })

  it('asks for exactly the parameters its stages name', async () => {
    for (const config of Object.values(VARIANTS)) {
      const model = picoLlama({ vocabulary: 20, config })
      const { weights, dispose } = await loadModel(model)
      const asked = new Set<string>()
      const ids = tf.tensor2d([[3, 1]], [1, 2], 'int32')
      forward(model, ids, { weights: name => (asked.add(name), weights(name)) }).dispose()
      expect([...asked].sort()).toEqual([...new Set(model.stages.flatMap(stage => stage.parameters))].sort())
      expect([...asked].sort()).toEqual([...model.params.names()].sort())
      dispose()
      ids.dispose()
    }
  })

  it('has the gradients that differences say', async () => {
    registerGradients()
    const model = picoLlama({
      hidden: 8,
      feedForward: 12,
      layers: 1,
      heads: 2,
      keyValueHeads: 1,
      vocabulary: 9,
      config: { tie_word_embeddings: true },
    })
    const before = tf.memory().numTensors
    const { weights, dispose } = await loadModel(model)
    const ids = tf.tensor2d([[3, 1, 3, 5]], [1, 4], 'int32')
    const loss = (changed: string) => (w: tf.Tensor) =>
      tf.mean(tf.square(forward(model, ids, { weights: name => (name === changed ? w : weights(name)) }))) as tf.Scalar
    for (const name of model.params.names()) {
      const w = weights(name)
      const gradient = tf.tidy(() => tf.grad(loss(name))(w))
      const direction = tf.tidy(() => tf.sin(tf.reshape(tf.range(1, w.size + 1), w.shape)))
      const expected = tf.tidy(() =>
        tf.div(tf.sub(loss(name)(tf.add(w, tf.mul(direction, 1e-2))), loss(name)(tf.sub(w, tf.mul(direction, 1e-2)))), 2e-2),
      )
      const along = tf.tidy(() => tf.sum(tf.mul(gradient, direction)))
      const [[got], [want]] = await Promise.all([along.data(), expected.data()])
      expect(Math.abs(got - want)).toBeLessThan(0.02 * Math.abs(want) + 2e-3)
      tf.dispose([gradient, direction, expected, along])
    }
    dispose()
    ids.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it('says which parameter is missing', () => {
    const { rawConfig, params } = picoLlama({ layers: 1 })
    const holed = { ...params, names: () => params.names().filter(name => name !== 'model.norm.weight') }
    expect(() => llamaModel(rawConfig, holed)).toThrow(
      'No parameter is called "model.norm.weight".\nThe store holds 11, among them model.embed_tokens.weight, model.layers.0.input_layernorm.weight, model.layers.0.self_attn.q_proj.weight.',
    )
    expect(() => llamaModel(rawConfig, memoryStore({}))).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
  })

  it('says which parameter has another shape than the config', () => {
    const { rawConfig, params } = picoLlama()
    const refusal = expect.objectContaining({
      code: 'SHAPE',
      message:
        '"model.layers.0.mlp.gate_proj.weight" is [64, 32], but the config makes it [65, 32].\nTake the config that was saved with these weights.',
    })
    expect(() => llamaModel({ ...rawConfig, intermediate_size: 65 }, params)).toThrow(refusal)
  })
})

const RUN = ['llama', 'llama3-rope', 'llama-linear-rope', 'mistral-sliding', 'qwen2', 'qwen3', 'mixtral', 'qwen3-moe', 'phi3', 'gemma2']
const REFUSED = ['gpt2', 'bert', 'vit', 'mamba2', 'bert-mlm']

describeData('picomodels', "the official implementation's networks", () => {
  it.each(RUN)('gives its logits: %s', async name => {
    const before = tf.memory().numTensors
    const model = llamaModel(readJson(`picomodels/${name}/config.json`), readTensors(`picomodels/${name}/model.safetensors`))
    const golden = readTensors(`picomodels/${name}/golden.safetensors`)
    const [ids, expected] = await Promise.all([readTensor(golden, 'input_ids'), readTensor(golden, 'logits')])
    const logits = await run(model, ids)
    expect(await largestDifference(logits, expected)).toBeLessThan(1e-4)
    const pieces = await runInPieces(model, ids, [15, 1, 1, 20, 1, 1, 1])
    expect(await largestDifference(pieces, expected)).toBeLessThan(1e-4)
    tf.dispose([ids, expected, logits, pieces])
    expect(tf.memory().numTensors).toBe(before)
  })

  it.each(REFUSED)('is refused with the list of what is known: %s', name => {
    const config = readJson(`picomodels/${name}/config.json`)
    const refusal = expect.objectContaining({
      code: 'UNSUPPORTED',
      message: `The architecture "${config.model_type}" is not one this package runs.\nKnown are ${LLAMA_ARCHITECTURES.join(', ')}.`,
    })
    expect(() => llamaModel(config, memoryStore({}))).toThrow(refusal)
  })
})
