import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, createRng, cutSorted, firstUnitsOf, switchedOff, type Model } from '@tersor/core'
import { uniql } from '@tersor/pruning'
import { casesTried, relativeError } from '@tersor/testing'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { outputsOf, someIds, withValues } from './outputs.fixture.js'
import type { RawConfig } from './raw-config.js'

beforeAll(() => tf.setBackend('cpu'))

const BOTH = ['neurons', 'heads']
const image = (): tf.Tensor => tf.tidy(() => tf.sin(tf.reshape(tf.range(0, 2 * 8 * 8 * 3), [2, 8, 8, 3])))

type Sorting = [name: string, units: readonly string[], more: RawConfig]

/** Networks with norms and biases that are no ones and zeros, and what of them is sorted. */
const NETWORKS: readonly Sorting[] = [
  ['llama', BOTH, { attention_bias: true, mlp_bias: true }],
  ['llama', BOTH, { num_key_value_heads: 4, rope_scaling: { rope_type: 'linear', factor: 2 } }],
  ['phi3', BOTH, {}],
  ['smollm3', BOTH, {}],
  ['mixtral', BOTH, {}],
  ['gemma2', BOTH, {}],
  ['gpt2', ['neurons'], {}],
  ['qwen3', ['neurons'], {}],
  ['vit', ['neurons'], {}],
]

it.each<Sorting>(casesTried(NETWORKS, 2))(
  '%s keeps its function when %j are sorted, and is cut to what its first units give',
  async (name, units, more) => {
    const rng = createRng(7)
    const input = name === 'vit' ? image : someIds
    const fresh = freshModel({ ...FRESH_CONFIGS[name], ...more }, { seed: 3, deviation: 0.2 })
    const model: Model = await withValues(fresh, (parameter, values) =>
      values.map(value => value + (/norm|bias|ln_/i.test(parameter) ? 0.3 * rng.fork(parameter).normal() : 0)),
    )
    const calibration = [input()]
    const sorted = await compress(model, uniql({ units, multiple: 4, pairs: 1 }), { calibration, seed: 1 })
    tf.dispose(calibration)
    const whole = await outputsOf(model, input)
    expect(relativeError(whole, await outputsOf(sorted, input))).toBeLessThan(1e-5)
    expect(sorted.sorted?.influence).toHaveLength(2)
    const cut = await outputsOf(await cutSorted(sorted, 0.5), input)
    expect(relativeError(await outputsOf(switchedOff(sorted, firstUnitsOf(sorted, 0.5)), input), cut)).toBeLessThan(1e-5)
    expect(relativeError(whole, cut)).toBeGreaterThan(1e-3)
  },
)
