import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { adam, compress, createRng, crossEntropy, decode, pack, train, type Model, type Step, type TrainOptions } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { casesTried } from '@tersor/testing'
import { codesOf, type Dense, type Parameter } from '@tersor/tensor'
import { magnitude } from './magnitude.js'
import { sparseGpt } from './sparse-gpt.js'
import { calibration as texts, model as llama } from './structured/small-llama.fixture.js'
import { wanda } from './wanda.js'

beforeAll(() => tf.setBackend('ort'))

const RESNET = {
  ...{ name: 'resnet8', classes: ['a', 'b', 'c'], bn_eps: 1e-5 },
  input: { shape: [3, 8, 8], normalization: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] } },
  stages: [
    { name: 'layer1', blocks: 1, in: 4, planes: 4, stride: 1 },
    { name: 'layer2', blocks: 1, in: 4, planes: 8, stride: 2 },
  ],
}
const pixels = (): tf.Tensor4D => {
  const rng = createRng(9)
  return tf.tensor4d(Float32Array.from({ length: 2 * 192 }, () => rng.integer(256)), [2, 8, 8, 3]) // prettier-ignore
}

interface Network {
  readonly model: () => Model
  readonly calibration: () => tf.Tensor[]
  readonly data: TrainOptions['data']
}
const NETWORKS: Readonly<Record<string, Network>> = {
  'a decoder': {
    ...{ model: llama, calibration: texts },
    data: () => {
      const [input, other] = texts()
      other.dispose()
      return { input, target: tf.tidy(() => tf.reverse(input, 1)) }
    },
  },
  'a CNN': {
    ...{ model: () => freshModel(RESNET, { seed: 2 }), calibration: () => [pixels()] },
    data: () => ({ input: pixels(), target: tf.tensor1d([0, 2], 'int32') }),
  },
}

const SPARSITY = { sparsity: 0.5 }
/** The first convolution has 27 columns, which are no fours. */
const FOURS = { pattern: '2:4', except: ['conv1*'] } as const
const STEPS: readonly (readonly [name: string, step: () => Step])[] = [
  ['magnitude', () => magnitude(SPARSITY)],
  ['wanda', () => wanda(SPARSITY)],
  ['sparseGpt', () => sparseGpt(SPARSITY)],
  ['magnitude, 2:4', () => magnitude(FOURS)],
  ['wanda, 2:4', () => wanda(FOURS)],
]

/** The mask inside of a tree. */
const maskOf = (parameter: Parameter): Dense | undefined => {
  if (parameter.kind === 'dense') return undefined
  if (parameter.codec.name === 'masked') return parameter.parts.mask as Dense
  return Object.values(parameter.parts).map(maskOf).find(Boolean)
}

const valuesOf = async ({ params }: Model, name: string): Promise<Float32Array> => {
  const tensor = decode(await params.read(name))
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

const zerosIn = (values: ArrayLike<number>): number => Array.prototype.filter.call(values, value => value === 0).length

/** Adam with momentum of its own, and weights that shrink: both move a zero that is not held. */
const tuned = (model: Model, data: TrainOptions['data']): Promise<Model> =>
  train(model, { objective: crossEntropy, transform: adam({ learningRate: 0.02, weightDecay: 0.1 }), steps: 3, data, seed: 1 })

/** Both networks and all steps, and not each with each. */
const CASES = casesTried(
  Object.entries(NETWORKS).flatMap(([name, network]) => STEPS.map(([step, make]) => ({ name, step, network, make }))),
  2,
)

it.each(CASES)(
  '$name that is pruned by $step and then tuned keeps its masks bit for bit, and nothing else',
  async ({ network: { model, calibration, data }, make }) => {
    const inputs = calibration()
    const pruned = await compress(model(), make(), { calibration: inputs })
    tf.dispose(inputs)
    const after = await tuned(pruned, data)
    const masked = pruned.params.names().filter(name => pruned.params.info(name).codec !== undefined)
    expect(masked.length).toBeGreaterThan(3)
    for (const name of masked) {
      const [before, now] = [maskOf(await pruned.params.read(name))!, maskOf(await after.params.read(name))!]
      expect(now.bytes).toEqual(before.bytes)
      const [old, values, kept] = [await valuesOf(pruned, name), await valuesOf(after, name), zerosIn(codesOf(before))]
      expect([zerosIn(values), zerosIn(old)]).toEqual([kept, kept]) // as many as the mask takes: what it leaves is no zero
      expect(values).not.toEqual(old)
    }
    const packed = await compress(after, pack())
    for (const name of masked) expect(await valuesOf(packed, name)).toEqual(await valuesOf(after, name))
  },
)
