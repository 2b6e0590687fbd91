import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { statistics } from '@tersor/backend-ort'
import { affineOf, forward, loadModel, loadPacked, sitesOf } from '@tersor/core'
import { memoryStore, toFloat32, type Dense, type Parameter } from '@tersor/tensor'
import { generate, type GenerateOptions } from './generate.js'
import type { LanguageModel } from '../networks/language-model.js'
import { llamaModel } from '../networks/llama.js'
import { picoLlama } from '../networks/pico-llama.js'

const use = async (backend: string): Promise<void> => {
  await tf.setBackend(backend)
  expect(tf.getBackend()).toBe(backend)
}

const idsFrom = async (model: LanguageModel, options: GenerateOptions): Promise<number[]> => {
  const ids: number[] = []
  for await (const { id } of generate(model, options)) ids.push(id)
  return ids
}

/** Rounds to a symmetric grid, one scale for each run of columns. */
const rounded = (weight: Dense, bits: number, group: number): Parameter => {
  const values = toFloat32(weight)
  const half = 2 ** (bits - 1)
  const columns = weight.shape[1]
  const scales = Array.from({ length: values.length / group }, (_, g) => {
    const largest = values.subarray(g * group, (g + 1) * group).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    return Math.fround(Math.round((largest / (half - 1)) * 1024) / 1024 + 1 / 1024)
  })
  const codes = Array.from(values, (value, i) => Math.round(value / scales[Math.floor(i / group)]) + half)
  return affineOf({ shape: [values.length / columns, columns], bits, group, codes, scales })
}

const quantized = async (model: LanguageModel, bits: number): Promise<LanguageModel> => {
  const linear = new Set(sitesOf(model).flatMap(site => (site.kind === 'linear' ? [site.weight] : [])))
  const parameters: Record<string, Parameter> = {}
  for (const name of model.params.names()) {
    const parameter = await model.params.read(name)
    parameters[name] = linear.has(name) ? rounded(parameter as Dense, bits, 32) : parameter
  }
  return llamaModel(model.rawConfig, memoryStore(parameters))
}

const prompt = [5, 17, 2, 9]
let before = 0
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

describe('decoding as one graph', () => {
  const original = { original_max_position_embeddings: 16 }
  it.each([
    { rope_scaling: { type: 'longrope', short_factor: [1, 1, 1, 1], long_factor: [1, 2, 4, 8], ...original } },
    { rope_scaling: { type: 'dynamic', factor: 4 }, max_position_embeddings: 12 },
    { rope_scaling: { type: 'yarn', factor: 4, ...original } },
  ])('takes the same tokens as step by step where rotations follow the text: %j', async config => {
    const model = picoLlama({ vocabulary: 40, seed: 3, config })
    await use('cpu')
    const wanted = await idsFrom(model, { prompt, tokens: 16 })
    expect(wanted).toHaveLength(16) // beyond where each changes its rotations
    await use('ort')
    expect(await idsFrom(model, { prompt, tokens: 16 })).toEqual(wanted)
  })

  const experts = { num_experts: 6, num_experts_per_tok: 3, moe_intermediate_size: 24 }
  it.each([
    {},
    { model_type: 'qwen3' },
    { model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 2 },
    { model_type: 'qwen3_moe', norm_topk_prob: true, ...experts },
    { model_type: 'qwen3_moe', mlp_only_layers: [0], ...experts },
  ])('takes the same tokens as step by step, config %j', async config => {
    const model = picoLlama({ vocabulary: 40, seed: 3, config })
    await use('cpu')
    const wanted = await idsFrom(model, { prompt, tokens: 12 })
    await use('ort')
    const compiled = statistics().compiled
    expect(await idsFrom(model, { prompt, tokens: 12 })).toEqual(wanted)
    expect(statistics().compiled).toBe(compiled + 1)
    expect(await idsFrom(model, { prompt, tokens: 12 })).toEqual(wanted)
  })

  it('goes on where the first cache is full', async () => {
    const model = picoLlama({ vocabulary: 40, seed: 3, context: 300, layers: 1 })
    const long = Array.from({ length: 250 }, (_, i) => (i * 7) % 40)
    await use('cpu')
    const wanted = await idsFrom(model, { prompt: long, tokens: 16 })
    await use('ort')
    expect(await idsFrom(model, { prompt: long, tokens: 16 })).toEqual(wanted)
  })

  it('leaves sliding windows to the plain steps', async () => {
    const model = picoLlama({ vocabulary: 40, config: { model_type: 'mistral', sliding_window: 6 } })
    await use('cpu')
    const wanted = await idsFrom(model, { prompt, tokens: 12 })
    await use('ort')
    expect(await idsFrom(model, { prompt, tokens: 12 })).toEqual(wanted)
  })

  it('frees everything when the reader leaves', async () => {
    await use('ort')
    let made = 0
    for await (const _ of generate(picoLlama({ vocabulary: 40 }), { prompt, tokens: 20 })) if (++made === 3) break
  })
})

it('rounds activations where it is asked to', async () => {
  await use('ort')
  const model = await quantized(picoLlama({ vocabulary: 40, seed: 3 }), 4)
  const input = tf.tensor2d([prompt], [1, 4], 'int32')
  const [exact, packed, rounded] = [await loadModel(model), await loadPacked(model), await loadPacked(model, { activations: 'int8' })]
  const [wanted, ...others] = [exact, packed, rounded].map(loaded => forward(model, input, loaded))
  const differences = others.map(logits => tf.tidy(() => tf.max(tf.abs(tf.sub(wanted, logits))).dataSync()[0]))
  expect(differences[0]).toBeLessThan(1e-4)
  expect(differences[1]).toBeGreaterThan(1e-3)
  tf.dispose([input, wanted, ...others])
  for (const loaded of [exact, packed, rounded]) loaded.dispose()
})

describe.each(['ort', 'cpu'])('packed weights on %s', backend => {
  it.each([3, 4])('give the logits of decoded ones, %i bits in float32', async bits => {
    await use(backend)
    const model = await quantized(picoLlama({ vocabulary: 40, seed: 3 }), bits)
    const [dense, packed] = [await loadModel(model), await loadPacked(model, { activations: 'float32' })]
    expect(packed.packed).toHaveLength(15)
    const input = tf.tensor2d([prompt], [1, 4], 'int32')
    const [wanted, got] = [dense, packed].map(loaded => forward(model, input, loaded))
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(wanted, got))))
    expect((await difference.data())[0]).toBeLessThan(1e-4)
    tf.dispose([input, wanted, got, difference])
    dense.dispose()
    packed.dispose()
  })

  it.each([4, 8])('generate what decoded ones do unless activations may be rounded, %i bits', async bits => {
    await use(backend)
    const model = await quantized(picoLlama({ vocabulary: 40, seed: 3 }), bits)
    const wanted = await idsFrom(model, { prompt, tokens: 12, form: 'dense' })
    expect(await idsFrom(model, { prompt, tokens: 12 })).toEqual(wanted)
    const loaded = await loadPacked(model)
    expect(await idsFrom(model, { prompt, tokens: 12, ...loaded })).toEqual(wanted)
    loaded.dispose()
  })
})
