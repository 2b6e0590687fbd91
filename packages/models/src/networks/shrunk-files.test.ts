import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shrink, type Change, type Model } from '@tersor/core'
import { ggufSink } from '@tersor/formats/gguf'
import { gptqSink } from '@tersor/formats/gptq'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { casesTried } from '@tersor/testing'
import { copyStore } from '@tersor/tensor'
import { openModel } from '../opening/open-model.js'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { largestGap, outputsOf, someIds } from './outputs.fixture.js'
import type { RawConfig } from './raw-config.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-shrunk-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const first = (count: number): readonly number[] => Array.from({ length: count }, (_, unit) => unit)
const images = (): tf.Tensor => tf.tidy(() => tf.mul(tf.reshape(tf.range(0, 384), [2, 8, 8, 3]), 0.6))
const rawConfigOf = (model: Model): RawConfig => (model as Model & { readonly rawConfig: RawConfig }).rawConfig

/** Three quarters of every coupling of some kinds, those of blocks from `from` on. */
const cut = ({ couplings = [] }: Model, kinds: readonly string[], from = 0): Change => ({
  keep: new Map(
    couplings
      .filter(({ kind, name }) => kinds.includes(kind) && Number(/\.(\d+)\./.exec(name)?.[1] ?? from) >= from)
      .map(({ name, units, perGroup = units }) => {
        const groups = first(units / perGroup).flatMap(group => first(Math.ceil(0.75 * perGroup)).map(unit => group * perGroup + unit))
        return [name, groups] as const
      }),
  ),
})

/** Half of all heads and of the stream with it, so that a head's size times their number stays the width. */
const halved = ({ couplings = [] }: Model): Change => ({
  keep: new Map(
    couplings.filter(({ kind }) => kind === 'heads' || kind === 'stream').map(({ name, units }) => [name, first(units / 2)] as const),
  ),
})

const reopened = async (name: string, change: (model: Model) => Change) => {
  const large = freshModel({ ...FRESH_CONFIGS[name], num_attention_heads: 4, num_hidden_layers: 3 }, { seed: 2, deviation: 0.2 })
  const small = await shrink<Model>(large, change(large))
  const path = join(folder, 'model')
  const config = rawConfigOf(small)
  await (await copyStore(small.params, huggingFaceSink(path, { config, overwrite: true }))).close?.()
  const opened = await openModel(path)
  const input = name === 'vit' || name === 'resnet8' ? images : someIds
  const apart = largestGap(await outputsOf(opened, input), await outputsOf(small, input))
  await opened.close?.()
  return { config, apart }
}

describe('a network that was shrunk', () => {
  const ALIKE = [
    ['llama', { num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 36, hidden_size: 24, head_dim: 8 }],
    ['phi3', { num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 36, hidden_size: 24, head_dim: 8 }],
    ['gpt2', { n_embd: 24, n_inner: 96, n_layer: 2 }],
    ['mixtral', { intermediate_size: 36, num_local_experts: 3 }],
    ['bert for classes', { intermediate_size: 36, hidden_size: 24 }],
    ['vit', { intermediate_size: 36, hidden_size: 24 }],
  ] as const
  it.each(casesTried(ALIKE, 2))(
    'alike in every block comes back from a folder, with plain numbers in its config: %s',
    async (name, fields) => {
      const { config, apart } = await reopened(name, model => cut(model, ['neurons', 'stream']))
      expect(apart).toBeLessThan(1e-5)
      expect(config).toMatchObject(fields)
    },
  )

  it.each(['bert', 'vit', 'gpt2'])('with heads that still fill its width says nothing of their size: %s', async name => {
    const { config, apart } = await reopened(name, halved)
    expect([apart < 1e-5, config.head_dim, config.n_head ?? config.num_attention_heads]).toEqual([true, undefined, 2])
  })

  const LISTED = [
    ['llama', { num_attention_heads: 4, intermediate_size: [48, 36, 36] }],
    ['gemma2', { intermediate_size: [48, 36, 36] }],
    ['qwen3_moe', { moe_intermediate_size: [8, 6, 6] }],
    ['vit', { intermediate_size: [48, 36, 36], num_attention_heads: [4, 3, 3], head_dim: 8 }],
    ['gpt2', { n_inner: [128, 96], n_head: [4, 3], head_dim: 8 }],
    ['bert', { intermediate_size: [48, 36, 36], num_attention_heads: [4, 3, 3], head_dim: 8 }],
    ['resnet8', { stages: [{ blocks: 1, in: 4, planes: 4 }, { blocks: 2, inner: [8, 6] }] }], // prettier-ignore
  ] as const
  it.each(casesTried(LISTED, 2))('otherwise in some blocks has lists there: %s', async (name, fields) => {
    const { config, apart } = await reopened(name, model =>
      cut(model, ['neurons', 'channels', ...(/bert|vit|gpt/.test(name) ? ['heads'] : [])], 1),
    )
    expect(apart).toBeLessThan(1e-5)
    expect(config).toMatchObject(fields)
  })

  it('has no place in formats that make all blocks alike, which say so before anything is written', async () => {
    const model = freshModel(FRESH_CONFIGS.llama)
    const config = rawConfigOf(await shrink<Model>(model, cut(model, ['neurons'], 1)))
    expect(() => gptqSink(join(folder, 'gptq'), { config })).toThrow(
      'Blocks of this network differ in their "intermediate_size", and GPTQ has no place for that.\nCut all blocks alike, or save it as a Hugging Face folder of Tersor\'s own.',
    )
    const gguf = async (without: string, more: RawConfig = {}) => {
      const small = await shrink<Model>(freshModel({ ...FRESH_CONFIGS.llama, ...more }), { without: new Set([without]) })
      return () => ggufSink(join(folder, 'model.gguf'), { config: rawConfigOf(small), files: {} })
    }
    expect(await gguf('model.layers.1.mlp')).toThrow('No GGUF is written for a network whose block 1 has attention and no feed-forward network.\nllama.cpp would run another network: save it as a Hugging Face folder.') // prettier-ignore
    expect(await gguf('model.layers.0.self_attn')).toThrow('No GGUF is written for a network whose first block has no attention.\nllama.cpp would run another network: save it as a Hugging Face folder.') // prettier-ignore
    expect(await gguf('model.layers.0.mlp', { model_type: 'qwen2' })).toThrow('No GGUF is written for a qwen2 whose blocks differ in heads or width.\nllama.cpp would run another network: save it as a Hugging Face folder.') // prettier-ignore
  })
})

it.each([
  ['num_attention_heads', [4], 'expected a list of 2 whole numbers from 0 on, one a block'],
  ['num_attention_heads', [4, -1], 'expected a list of 2 whole numbers from 0 on, one a block'],
  ['num_key_value_heads', [2, 3], 'expected a divisor of the 4 attention heads'],
  ['num_key_value_heads', [2, 0], 'expected a divisor of the 4 attention heads'],
  ['intermediate_size', [48, 48, 48], 'expected a list of 2 whole numbers from 0 on, one a block'],
])('a config whose lists do not fit is refused: %s %j', (field, value, expected) => {
  expect(() => freshModel({ ...FRESH_CONFIGS.llama, head_dim: 8, [field]: value })).toThrow(expected)
})

it('a config whose lists do not fit its weights is refused by the first of them', () => {
  const { params } = freshModel(FRESH_CONFIGS.llama)
  const config = { ...FRESH_CONFIGS.llama, intermediate_size: [48, 40] }
  expect(() => freshModel(config, { from: params })).toThrow('"model.layers.1.mlp.gate_proj.weight" is [48, 32], but the config makes it [40, 32].\nTake the config that was saved with these weights.') // prettier-ignore
})
