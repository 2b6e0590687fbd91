import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { createRng } from '@tersor/core'
import { describeCouplings } from '@tersor/testing'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { someIds, withValues } from './outputs.fixture.js'
import type { RawConfig } from './raw-config.js'

/** A network whose norms and biases are no ones and zeros, so that nothing is equal by chance, and whose ε counts. */
const network = (name: string, more: RawConfig = {}) => {
  const rng = createRng(7)
  const fresh = freshModel({ ...FRESH_CONFIGS[name], rms_norm_eps: 0.1, ...more }, { seed: 3, deviation: 0.2 })
  return withValues(fresh, (parameter, values) =>
    values.map(value => value + (/norm|bias|ln_/i.test(parameter) ? 0.3 * rng.fork(parameter).normal() : 0)),
  )
}

const image = (): tf.Tensor => tf.tidy(() => tf.mul(tf.reshape(tf.range(0, 2 * 8 * 8 * 3), [2, 8, 8, 3]), 0.6))

beforeAll(() => tf.setBackend('ort'))

for (const name of ['llama', 'mixtral', 'gpt2', 'bert', 'bert for masked tokens', 'bert for masked tokens, untied', 'bert for classes'])
  describeCouplings(name, { make: () => network(name), input: someIds })
describeCouplings('vit', { make: () => network('vit'), input: image })
