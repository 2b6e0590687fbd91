import * as tf from '@tensorflow/tfjs-core'
import { compress, createRng, pack, pipeline, PROMPT, shrink, switchedOff, withPrompt, type Change } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'
import '@tersor/backend-ort'
import { casesTried } from '@tersor/testing'
import { magnitude } from '@tersor/pruning'
import { rtn } from '@tersor/quantization'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import type { LanguageModel } from './language-model.js'
import { largestGap, outputsOf, someIds, withValues } from './outputs.fixture.js'

/** A network whose norms and biases are no ones and zeros, so that nothing is equal by chance. */
const network = async (name: string, more: object = {}): Promise<LanguageModel> => {
  const rng = createRng(7)
  const fresh = freshModel({ ...FRESH_CONFIGS[name], rms_norm_eps: 0.1, ...more }, { seed: 3, deviation: 0.2 }) as LanguageModel
  return withValues(fresh, (parameter, values) =>
    values.map(value => value + (/norm|bias/.test(parameter) ? 0.3 * rng.fork(parameter).normal() : 0)),
  )
}

/** Every second unit from the first on, in the other order; of groups as many of each. */
const half = ({ couplings = [] }: LanguageModel, kinds: readonly string[]): Change => ({
  keep: new Map(
    couplings
      .filter(({ kind }) => kinds.includes(kind))
      .map(({ name, units, perGroup = units, least = 1 }) => {
        const groups = Array.from({ length: units / perGroup }, (_, group) =>
          Array.from({ length: Math.max(least, Math.ceil(perGroup / 2)) }, (_, i) => group * perGroup + perGroup - 1 - i),
        )
        return [name, groups.flat()] as const
      }),
  ),
})

const gapOf = async (model: LanguageModel, change: Change, whole?: Float32Array): Promise<number> => {
  const small = await shrink(model, change)
  const [ours, expected] = [await outputsOf(small, someIds), await outputsOf(switchedOff(model, change), someIds)]
  const moved = largestGap(expected, whole ?? (await outputsOf(model, someIds)))
  if (!(moved > 1e-3)) throw new Error(`the change shows nowhere: ${moved}`)
  return largestGap(ours, expected)
}

it.each([
  ['llama', { without: new Set(['model.layers.0', 'model.layers.1']) }, 'All 2 blocks would be left out.\nKeep one block at least.'],
  ['gpt2', { without: new Set(['transformer.h.0', 'transformer.h.1']) }, 'All 2 blocks would be left out.\nKeep one block at least.'],
  [
    'llama',
    { keep: new Map([['streams', [0]]]) },
    'There is no coupling "streams".\nCouplings are stream, model.layers.0.self_attn.heads, model.layers.0.self_attn.queries, model.layers.0.mlp.neurons and 3 more.',
  ],
  ['llama', { keep: new Map([['stream', [0, 32]]]) }, '"stream" has no unit 32: it has 32, from 0 on.\nName units from 0 to 31.'],
  ['llama', { keep: new Map([['stream', [3, 3]]]) }, '"stream" is to keep unit 3 twice.\nName each unit once.'],
  ['llama', { keep: new Map([['stream', []]]) }, '"stream" is to keep none of its 32 units.\nKeep one channel of the stream at least.'],
  [
    'llama',
    { keep: new Map([['model.layers.0.mlp.neurons', []]]) },
    '"model.layers.0.mlp.neurons" is to keep none of its 48 units.\nKeep one unit at least, or leave the block out (without).',
  ],
  [
    'llama',
    { keep: new Map([['model.layers.0.self_attn.queries', [0, 1, 2]]]) },
    'A group of "model.layers.0.self_attn.queries" keeps 1 of its 2 units, another one 2.\nKeep as many units in every group, one at least.',
  ],
  [
    'mixtral',
    { keep: new Map([['model.layers.0.block_sparse_moe.experts', [1]]]) },
    '"model.layers.0.block_sparse_moe.experts" is to keep 1 units, and 2 are used at once.\nKeep 2 units at least.',
  ],
  [
    'llama',
    { without: new Set(['model.layers.7']) },
    'There is no block "model.layers.7".\nBlocks are model.layers.0, model.layers.0.self_attn, model.layers.0.mlp, model.layers.1 and 2 more.',
  ],
] as const)('%s refuses a change that makes no sense: %j', async (name, change, message) => {
  const opened = jest.fn()
  const error = (await shrink(freshModel(FRESH_CONFIGS[name]), change as Change, { sink: opened }).catch(
    (thrown: unknown) => thrown,
  )) as Error
  expect([error.message, (error as { code?: string }).code, opened.mock.calls.length]).toEqual([message, 'BAD_OPTION', 0])
})

it('refuses a network that cannot be made again, and one whose weights are stored in a form that cannot be cut', async () => {
  const { remake: _none, ...fixed } = freshModel(FRESH_CONFIGS.llama)
  const opened = jest.fn()
  await expect(shrink(fixed, {}, { sink: opened })).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringMatching(/^This network cannot be made again with fewer units\.\nUse it on/) }) // prettier-ignore
  const rounded = await compress(freshModel(FRESH_CONFIGS.llama), rtn({ bits: 4, group: 16 }))
  const keep = (units: readonly number[]): Change => ({ keep: new Map([['model.layers.1.mlp.neurons', units]]) })
  await expect(shrink(rounded, keep([0, 1, 2]), { sink: opened })).rejects.toMatchObject({ code: 'COMPOSITION', message: '"model.layers.1.mlp.down_proj.weight" is compressed (affine) and cannot be cut so: 16 columns share a scale, and not all of them stay or go.\nCut the network before the step that compressed it, or keep what its form can be cut to.' }) // prettier-ignore
  const packed = await compress(freshModel(FRESH_CONFIGS.llama), pipeline(magnitude({ pattern: '2:4' }), pack()))
  await expect(shrink(packed, keep([0]), { sink: opened })).rejects.toMatchObject({ code: 'COMPOSITION', message: expect.stringMatching(/cannot be cut so: its parts stand for all of it together\./) }) // prettier-ignore
  expect(opened).not.toHaveBeenCalled()
})

it('cuts masks and codes at whole groups, rows and runs of columns alike', async () => {
  const model = await compress(await network('llama'), pipeline(magnitude({ sparsity: 0.5 }), rtn({ bits: 4, group: 16 })))
  const change: Change = { keep: new Map([['model.layers.0.mlp.neurons', Array.from({ length: 32 }, (_, i) => (i + 16) % 48)], ['model.layers.1.self_attn.heads', [1]]]) } // prettier-ignore
  const small = await shrink(model, change)
  expect(small.params.info('model.layers.0.mlp.down_proj.weight')).toMatchObject({ codec: 'masked', shape: [32, 32] })
  expect(largestGap(await outputsOf(small, someIds), await outputsOf(switchedOff(model, change), someIds))).toBeLessThan(1e-5)
})

it('cuts a prompt of vectors with the stream that it writes', async () => {
  const rng = createRng(2)
  const model = withPrompt(await network('llama'), fromFloat32(Float32Array.from({ length: 64 }, () => rng.normal()), 'f32', [2, 32])) // prettier-ignore
  const change = half(model, ['stream', 'heads'])
  const small = await shrink(model, change)
  expect([small.params.info(PROMPT).shape, small.contextLength]).toEqual([[2, 16], model.contextLength])
  expect(largestGap(await outputsOf(small, someIds), await outputsOf(switchedOff(model, change), someIds))).toBeLessThan(1e-5)
})

describe('a network of the Llama family that is shrunk', () => {
  beforeAll(() => tf.setBackend('ort'))

  // couplings.test.ts takes each kind of a Llama and of a Mixtral
  const KINDS = [
    ['llama', 'neurons'],
    ['llama', 'heads'],
    ['llama', 'queries'],
    ['llama', 'stream'],
    ['llama, tied', 'stream'],
    ['phi3', 'neurons'],
    ['phi3', 'heads'],
    ['phi3', 'queries'],
    ['phi3', 'stream'],
    ['qwen3', 'heads'],
    ['qwen3', 'stream'],
    ['gemma2', 'stream'],
    ['gemma2', 'queries'],
    ['smollm3', 'neurons'],
    ['mixtral', 'experts'],
    ['mixtral', 'neurons'],
    ['mixtral', 'stream'],
    ['qwen3_moe', 'experts'],
    ['qwen3_moe', 'neurons'],
  ] as const
  it.each(casesTried(KINDS, 2))('gives what the large one gives with the same units switched off: %s, %s', async (name, kind) => {
    const model = await network(name.split(',')[0], name.endsWith('tied') ? { tie_word_embeddings: true } : {})
    expect(await gapOf(model, half(model, [kind]))).toBeLessThan(1e-5)
  })

  it.each(['llama', 'phi3', 'qwen3', 'gemma2', 'mixtral', 'qwen3_moe'])('of all kinds at once: %s', async name => {
    const model = await network(name)
    expect(await gapOf(model, half(model, ['neurons', 'heads', 'queries', 'stream', 'experts']))).toBeLessThan(1e-5)
  })

  it.each(['llama', 'gemma2', 'mixtral', 'qwen3_moe', 'smollm3'])('and with blocks left out: %s', async name => {
    const model = await network(name, { no_rope_layers: [1, 0] })
    const whole = await outputsOf(model, someIds)
    for (const { name: block } of model.blocks!) expect(await gapOf(model, { without: new Set([block]) }, whole)).toBeLessThan(1e-5)
  })
})
