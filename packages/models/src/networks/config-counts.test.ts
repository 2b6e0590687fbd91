import { fromFloat32, memoryStore } from '@tersor/tensor'
import { bertModel } from './bert.js'
import { gpt2Model } from './gpt2.js'
import { llamaEncoder, llamaModel } from './llama.js'
import type { RawConfig } from './raw-config.js'
import { resNetModel } from './resnet.js'
import { vitModel } from './vit.js'

const one = memoryStore({ 'model.embed_tokens.weight': fromFloat32(new Float32Array(4), 'f32', [2, 2]) })
const decoder = { hidden_size: 2, num_attention_heads: 1, intermediate_size: 2, num_hidden_layers: 1, vocab_size: 2 }
const moe = { moe_intermediate_size: 2, ...decoder }
const gpt2 = { n_embd: 2, n_head: 1, n_layer: 1, vocab_size: 2 }
const vit = { ...decoder, image_size: 4, patch_size: 2 }
const group = { name: 'g', blocks: 1000, in: 2, planes: 2, stride: 1 }
const normalization = { mean: [0, 0, 0], std: [1, 1, 1] }
const resnet = { name: 'resnet20', classes: ['a'], stages: [group], input: { shape: [3, 8, 8], normalization } }

const FEW_TENSORS = 'at most 1024, since the file has 1 tensors'
const REMEDY = 'Take the config that was saved with these weights.'

/** What opening says, and how much memory it took. */
const refusal = (open: () => unknown) => {
  const before = process.memoryUsage()
  try {
    open()
  } catch (error) {
    const after = process.memoryUsage()
    const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    return { ...(error as { code: string }), message: (error as Error).message, bytes }
  }
  return undefined
}

it.each<readonly [network: string, build: (config: any, params: typeof one) => unknown, config: RawConfig, what: string]>([
  [
    'qwen3_moe',
    llamaModel,
    { ...moe, model_type: 'qwen3_moe', num_experts: 16_000_000 },
    `"num_experts" is 16000000; expected ${FEW_TENSORS}`,
  ],
  [
    'mixtral',
    llamaModel,
    { ...decoder, model_type: 'mixtral', num_local_experts: 16_000_000 },
    `"num_local_experts" is 16000000; expected ${FEW_TENSORS}`,
  ],
  [
    'llama',
    llamaModel,
    { ...decoder, model_type: 'llama', num_hidden_layers: 10_000 },
    `"num_hidden_layers" is 10000; expected ${FEW_TENSORS}`,
  ],
  [
    'a base model',
    llamaEncoder,
    { ...decoder, model_type: 'llama', num_hidden_layers: 10_000 },
    `"num_hidden_layers" is 10000; expected ${FEW_TENSORS}`,
  ],
  ['gpt2', gpt2Model, { ...gpt2, model_type: 'gpt2', n_layer: 10_000 }, `"n_layer" is 10000; expected ${FEW_TENSORS}`],
  [
    'bert',
    bertModel,
    { ...decoder, num_labels: 16_000_000 },
    '"num_labels" is 16000000; expected at most 1024, since the longest axis in the file has 2',
  ],
  [
    'vit',
    vitModel,
    { ...vit, num_labels: 16_000_000 },
    '"num_labels" is 16000000; expected at most 1024, since the longest axis in the file has 2',
  ],
  [
    'vit, its image',
    vitModel,
    { ...vit, image_size: 16_000, patch_size: 4000 },
    '"image_size" is 16000; expected a whole number from 1 to 4096',
  ],
  [
    'resnet, its image',
    resNetModel,
    { ...resnet, input: { shape: [3, 16_000, 8], normalization } },
    '"shape" is 16000; expected a whole number from 1 to 4096',
  ],
  ['resnet', resNetModel, { ...resnet, stages: Array(1000).fill(group) }, `"stages" is 1000000; expected ${FEW_TENSORS}`],
])('refuses a config of %s that asks for more than its file can hold, before anything is made of it', (_, build, config, what) => {
  const { bytes, ...told } = refusal(() => build(config, one))!
  expect(told).toMatchObject({ code: 'BAD_FILE', message: `The config's ${what}.\n${REMEDY}` })
  expect(bytes).toBeLessThan(16 << 20)
})

it('looks for the first parameter that is missing without a list of all that are named', () => {
  const names = Array.from({ length: 3000 }, (_, i) => [`x.${i}`, fromFloat32([1], 'f32', [1])] as const)
  const many = memoryStore({ ...Object.fromEntries(names), 'model.embed_tokens.weight': fromFloat32(new Float32Array(4), 'f32', [2, 2]) })
  const config = { ...moe, model_type: 'qwen3_moe', num_hidden_layers: 3000, num_experts: 3000 } // 27 million names
  const { bytes, ...told } = refusal(() => llamaModel(config, many))!
  expect(told).toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringMatching(/^No parameter is called "model.layers.0.input_layernorm.weight"\.\n/),
  })
  expect(bytes).toBeLessThan(64 << 20)
})

it.each([
  ['vocab_size', 'SHAPE'],
  ['hidden_size', 'SHAPE'],
  ['intermediate_size', 'NOT_FOUND'],
])('takes no memory for a %s of sixteen million either', (field, code) => {
  const { bytes, ...told } = refusal(() => llamaModel({ ...decoder, model_type: 'llama', [field]: 2 ** 24 }, one))!
  expect(told).toMatchObject({ code })
  expect(bytes).toBeLessThan(16 << 20)
})
