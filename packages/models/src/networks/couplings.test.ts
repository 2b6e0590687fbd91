import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, createRng } from '@tersor/core'
import { casesTried, describeCouplings } from '@tersor/testing'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { foldBatchNorm } from './fold-batch-norm.js'
import { freshModel } from './fresh-model.js'
import { tiny } from './tiny-resnet.fixture.js'
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

beforeAll(() => tf.setBackend('cpu'))

const isSlow = process.env.TERSOR_SLOW === '1'

/** With the head that ties its embedding and the one that classifies, BERT shows what it does without one. */
const TOKENS = ['llama', 'mixtral', 'gpt2', 'bert for masked tokens', 'bert for classes']
for (const name of [...TOKENS, ...(isSlow ? ['bert', 'bert for masked tokens, untied'] : [])])
  describeCouplings(name, { make: () => network(name), input: someIds })
describeCouplings('vit', { make: () => network('vit'), input: image })

/** Running variances stay above zero. */
const convolutional = async (stages: readonly RawConfig[], folded = false) => {
  const rng = createRng(11)
  const fresh = freshModel({ ...tiny, stages }, { seed: 3 })
  const model = await withValues(fresh, (parameter, values) =>
    /weight$/.test(parameter) && !/bn|shortcut\.1/.test(parameter)
      ? values
      : values.map(value => value + (/running_var$/.test(parameter) ? 0.4 * rng.uniform() : 0.3 * rng.fork(parameter).normal())),
  )
  return folded ? compress(model, foldBatchNorm()) : model
}

const WIDE = { shortcut: 'projection', inner: [6, 4] }
const RESNETS: readonly (readonly [name: string, stages: readonly RawConfig[], folded?: boolean])[] = [
  ['a ResNet without parameters on the way around', tiny.stages],
  ['the same with folded norms', tiny.stages, true],
  ['a ResNet that projects in all groups, folded', tiny.stages.map((stage, at) => ({ ...stage, ...(at === 0 ? { shortcut: 'projection' } : WIDE) })), true], // prettier-ignore
  ['a ResNet with projections', tiny.stages.map((stage, at) => (at === 0 ? stage : { ...stage, ...WIDE }))],
]
for (const [name, stages, folded] of casesTried(RESNETS, 2))
  describeCouplings(name, { make: () => convolutional(stages, folded), input: image })
