import * as tf from '@tensorflow/tfjs-core'
import { compress, createRng, forward, loadModel, type Env, type Model, type Pass } from '@tersor/core'
import { awq, hadamard, smoothQuant } from '@tersor/quantization'
import '@tersor/backend-ort'
import { join } from 'node:path'
import { fromFloat32, memoryStore, toFloat32, type Dense } from '@tersor/tensor'
import { bertModel } from './bert.js'
import { gpt2Model } from './gpt2.js'
import { openModel } from '../opening/open-model.js'
import { picoLlama } from './pico-llama.js'
import { describeData, readJson, readTensor, readTensors } from '../shared-data.fixture.js'
import { vitModel } from './vit.js'

jest.setTimeout(120_000)

const run = async (model: Model, x: tf.Tensor, env: Partial<Env> = {}): Promise<tf.Tensor> => {
  const { weights, dispose } = await loadModel(model)
  const logits = forward(model, x, { weights, ...env })
  dispose()
  return logits
}

/** How far the logits move, against the largest of them. */
const movement = async (model: Model, pass: Pass, x: tf.Tensor, calibration = [x]): Promise<number> => {
  const moved = await compress(model, pass, { calibration, seed: 5 })
  const [before, after] = [await run(model, x), await run(moved, x)]
  const result = tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(before, after))), tf.maximum(1, tf.max(tf.abs(before)))))
  const [value] = await result.data()
  tf.dispose([before, after, result])
  return value
}

/** Names of parameters that a pass changed. */
const changedBy = async (model: Model, pass: Pass, x: tf.Tensor): Promise<string[]> => {
  const moved = await compress(model, pass, { calibration: [x], seed: 5 })
  const bytes = async (of: Model, name: string): Promise<string> => {
    const parameter = of.params.names().includes(name) ? await of.params.read(name) : undefined
    return parameter?.kind === 'dense' ? Buffer.from(parameter.bytes).toString('base64') : ''
  }
  const names = moved.params.names()
  const same = await Promise.all(names.map(async name => (await bytes(model, name)) === (await bytes(moved, name))))
  return names.filter((_, i) => !same[i])
}

const PASSES: Readonly<Record<string, () => Pass>> = {
  awq: () => awq({ bits: 3, group: 16, steps: 4 }),
  smoothQuant: () => smoothQuant({ alpha: 0.7 }),
  hadamard: () => hadamard(),
}

const VARIANTS: Readonly<Record<string, Parameters<typeof picoLlama>[0]>> = {
  'a Llama with grouped queries': {},
  'a Llama with as many keys as queries': { keyValueHeads: 4 },
  'biases everywhere, tied': { keyValueHeads: 4, config: { attention_bias: true, mlp_bias: true, tie_word_embeddings: true } },
  'fused projections': { keyValueHeads: 4, config: { model_type: 'phi3' } },
  experts: { config: { model_type: 'mixtral', num_local_experts: 3 } },
  'experts in every second layer': {
    config: { model_type: 'qwen3_moe', num_experts: 3, moe_intermediate_size: 8, decoder_sparse_step: 2, head_dim: 8 },
  },
  'norms with an offset': { keyValueHeads: 4, config: { model_type: 'gemma2', head_dim: 8, sliding_window: 5 } },
}

const idsOf = (vocabulary: number): tf.Tensor => {
  const rng = createRng(9)
  return tf.tensor2d(
    Array.from({ length: 24 }, () => rng.integer(vocabulary)),
    [2, 12],
    'int32',
  )
}

beforeAll(async () => {
  await tf.setBackend('ort')
  expect(tf.getBackend()).toBe('ort')
})

const isSlow = process.env.TERSOR_SLOW === '1'

/** The first two scale the same channels: outside of the slow run each network takes one of them. */
const variantsOf = (pass: string): readonly string[] => {
  const all = Object.keys(VARIANTS)
  if (pass === 'hadamard' || isSlow) return all
  return all.filter((_, i) => (pass === 'awq') === (i % 3 === 0))
}

describe.each(Object.keys(PASSES))('%s leaves the logits where they are', name => {
  it.each(variantsOf(name))('%s', async variant => {
    const model = picoLlama(VARIANTS[variant])
    const ids = idsOf(model.vocabularySize)
    expect(await movement(model, PASSES[name](), ids)).toBeLessThan(1e-4)
    ids.dispose()
  })
})

it('moves the scales of norms, values and up projections of a Llama', async () => {
  const model = picoLlama({ keyValueHeads: 4, layers: 1 })
  const ids = idsOf(model.vocabularySize)
  const block = (names: string[]) => names.map(name => `model.layers.0.${name}.weight`).sort()
  const norms = ['input_layernorm', 'self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'post_attention_layernorm', 'mlp.gate_proj', 'mlp.up_proj'] // prettier-ignore
  expect((await changedBy(model, smoothQuant(), ids)).sort()).toEqual(block(norms))
  // values are read by the output projection only where each head has its own
  expect(model.stages[1].scalings).toHaveLength(4)
  expect(picoLlama().stages[1].scalings).toHaveLength(3)
  ids.dispose()
})

it('gives a turned model a head of its own', async () => {
  const model = picoLlama({ config: { tie_word_embeddings: true } })
  const turned = await compress(model, hadamard())
  expect(model.params.names()).not.toContain('lm_head.weight')
  expect(turned.params.names()).toContain('lm_head.weight')
  expect(turned.rawConfig.tie_word_embeddings).toBe(false)
  expect(turned.provenance?.map(step => step.method)).toEqual(['hadamard'])
  expect(turned.tokenizer).toBe(model.tokenizer)
})

it('spreads a channel that stands out over all of them', async () => {
  const model = picoLlama({ layers: 1 })
  const name = 'model.layers.0.mlp.up_proj.weight'
  const peak = async (of: Model): Promise<number> => {
    const values = toFloat32((await of.params.read(name)) as Dense)
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length
    return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / Math.sqrt(square)
  }
  const values = toFloat32((await model.params.read(name)) as Dense).map((value, i) => (i % 32 === 7 ? 30 * value : value))
  const all = await Promise.all(model.params.names().map(async each => [each, await model.params.read(each)] as const))
  const outlier = { ...model, params: memoryStore({ ...Object.fromEntries(all), [name]: fromFloat32(values, 'f32', [64, 32]) }) }
  expect(await peak(outlier)).toBeGreaterThan(10)
  expect(await peak(await compress(outlier, hadamard()))).toBeLessThan(5)
})

describeData('picomodels', 'networks with layer norms', () => {
  const CASES: readonly (readonly [string, (config: any, params: any) => Model])[] = [
    ['gpt2', gpt2Model],
    ['bert', bertModel],
    ['vit', vitModel],
  ]
  describe.each(Object.keys(PASSES))('%s', name => {
    const first = name === 'awq' || name === 'smoothQuant' ? CASES.slice(...(name === 'awq' ? [0, 2] : [1])) : CASES
    it.each(isSlow ? CASES : first)('leaves the logits where they are: %s', async (folder, build) => {
      const golden = readTensors(`picomodels/${folder}/golden.safetensors`)
      const model = build(readJson(`picomodels/${folder}/config.json`), readTensors(`picomodels/${folder}/model.safetensors`))
      const input = folder === 'vit' ? await pixels(golden) : await readTensor(golden, 'input_ids')
      const moved = movement(model, PASSES[name](), input)
      if (folder === 'bert' && name === 'smoothQuant') await expect(moved).rejects.toThrow('smooth-quant finds no norm in this model')
      else expect(await moved).toBeLessThan(1e-4)
      input.dispose()
    })
  })
})

/** The official pixel values as pixels 0 … 255. */
const pixels = async (golden: ReturnType<typeof readTensors>): Promise<tf.Tensor> => {
  const values = await readTensor(golden, 'pixel_values')
  return tf.tidy(() => tf.mul(tf.add(tf.mul(tf.transpose(values, [0, 2, 3, 1]), 0.5), 0.5), 255))
}

/** A trained network in the slow run: the same code as the tied Llama above, for seconds. */
const TRAINED = isSlow ? Object.keys(PASSES) : []
for (const name of TRAINED)
  it(`keeps the logits of the bundled model under ${name}`, async () => {
    const model = await openModel(join(process.cwd(), 'examples/bundled-model/model'))
    const ids = tf.tensor2d([[5, 17, 300, 42, 7, 1000, 64, 3]], [1, 8], 'int32')
    expect(await movement(model, PASSES[name](), ids)).toBeLessThan(1e-4)
    ids.dispose()
    await model.close?.()
  })
