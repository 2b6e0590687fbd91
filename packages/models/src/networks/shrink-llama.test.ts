import * as tf from '@tensorflow/tfjs-core'
import { createRng, shrink, switchedOff, type Change } from '@tersor/core'
import '@tersor/backend-ort'
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

const gapOf = async (model: LanguageModel, change: Change): Promise<number> => {
  const small = await shrink(model, change)
  const [ours, expected] = [await outputsOf(small, someIds), await outputsOf(switchedOff(model, change), someIds)]
  const moved = largestGap(expected, await outputsOf(model, someIds))
  if (!(moved > 1e-3)) throw new Error(`the change shows nowhere: ${moved}`)
  return largestGap(ours, expected)
}

describe('a network of the Llama family that is shrunk', () => {
  beforeAll(() => tf.setBackend('ort'))

  it.each([
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
  ])('gives what the large one gives with the same units switched off: %s, %s', async (name, kind) => {
    const model = await network(name.split(',')[0], name.endsWith('tied') ? { tie_word_embeddings: true } : {})
    expect(await gapOf(model, half(model, [kind]))).toBeLessThan(1e-5)
  })

  it.each(['llama', 'phi3', 'qwen3', 'gemma2', 'mixtral', 'qwen3_moe'])('of all kinds at once: %s', async name => {
    const model = await network(name)
    expect(await gapOf(model, half(model, ['neurons', 'heads', 'queries', 'stream', 'experts']))).toBeLessThan(1e-5)
  })

  it.each(['llama', 'gemma2', 'mixtral', 'qwen3_moe', 'smollm3'])('and with blocks left out: %s', async name => {
    const model = await network(name, { num_hidden_layers: 3, no_rope_layers: [1, 0, 1] })
    for (const { name: block } of model.blocks!) expect(await gapOf(model, { without: new Set([block]) })).toBeLessThan(1e-5)
  })
})
