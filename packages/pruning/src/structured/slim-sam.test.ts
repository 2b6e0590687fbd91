import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, type Model, type RunOptions } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { describePass, outputOf } from '@tersor/testing'
import { alignInside, alignStream } from './align-features.js'
import { slimSam } from './slim-sam.js'
import { calibration, cutBy } from './small-llama.fixture.js'

beforeAll(() => tf.setBackend('cpu'))

const ENCODER = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 }
const vit = (): Model => freshModel({ ...ENCODER, model_type: 'vit', image_size: 8, patch_size: 4, num_labels: 6 }, { seed: 2, deviation: 0.3 }) // prettier-ignore
const images = (): tf.Tensor[] => [tf.tidy(() => tf.mul(tf.add(tf.sin(tf.reshape(tf.range(0, 4 * 192), [4, 8, 8, 3])), 1), 120))]

describePass(() => slimSam({ steps: 1, rows: 2 }), { model: vit, calibration: images, calibrated: true })

const slimmed = async (pass: ReturnType<typeof slimSam>, options: RunOptions = {}) => {
  const inputs = images()
  const model = vit()
  const small = await compress(model, pass, { calibration: inputs, seed: 1, ...options })
  const [before, after] = [await outputOf(model, inputs[0]), await outputOf(small, inputs[0])]
  tf.dispose(inputs)
  const error = after.reduce((sum, value, i) => sum + (value - before[i]) ** 2, 0) / before.reduce((sum, value) => sum + value ** 2, 0)
  return { small, error, config: (small as Model & { readonly rawConfig: object }).rawConfig as Readonly<Record<string, unknown>> }
}

it('leaves half of everything, a plain network where blocks are not compared with each other', async () => {
  const { config } = await slimmed(slimSam({ steps: 1, rows: 2, among: 'coupling' }))
  expect(config).toMatchObject({ hidden_size: 8, num_attention_heads: 4, intermediate_size: 12 })
  expect(config.head_dim).toBeUndefined() // 4 heads of 2 are the stream again
})

it('compares blocks with each other: together half of their neurons', async () => {
  const { config } = await slimmed(slimSam({ steps: 1, rows: 2 }))
  const widths = [config.intermediate_size as number | readonly number[]].flat()
  expect(widths.reduce((sum, width) => sum + width, 0)).toBe(widths.length === 1 ? 12 : 24)
})

it('keeps as many channels of the stream as heads divide', async () => {
  expect((await slimmed(slimSam({ keep: 0.7, steps: 1, rows: 2, among: 'coupling' }))).config.hidden_size).toBe(8) // of 11.2
})

it('learns features back behind both cuts', async () => {
  const steps: number[] = []
  const onProgress: RunOptions['onProgress'] = event => void (event.type === 'trained' && steps.push(event.step))
  const little = await slimmed(slimSam({ steps: 1, rows: 4 }))
  const more = await slimmed(slimSam({ steps: 6, rows: 4, rate: 0.03 }), { onProgress })
  expect(steps).toHaveLength(12)
  expect(more.error).toBeLessThan(0.5 * little.error)
})

it('cuts decoders too, by the units that they have', async () => {
  const { config } = await cutBy(slimSam({ units: ['heads', 'neurons'], steps: 1, rows: 2, among: 'coupling' }))
  expect(config).toMatchObject({ hidden_size: 8, num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 12 })
})

it('cuts convolutions, all streams of them first', async () => {
  const stage = { planes: 8, blocks: 1, stride: 1 }
  const stages = [{ ...stage, name: 'layer1', in: 8 }, { ...stage, name: 'layer2', in: 8, planes: 16, stride: 2 }] // prettier-ignore
  const normalization = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] }
  const resNet = freshModel({ name: 'resnet8', input: { shape: [3, 8, 8], normalization }, classes: ['a', 'b'], bn_eps: 1e-5, stages })
  const inputs = images()
  const pass = slimSam({ units: ['channels'], steps: 1, rows: 2, among: 'coupling' })
  const { rawConfig } = (await compress(resNet, pass, { calibration: inputs })) as typeof resNet
  tf.dispose(inputs)
  expect(rawConfig.stages).toMatchObject([{ in: 4, planes: 4 }, { in: 4, planes: 8 }]) // prettier-ignore
})

it('looks inside for half of its steps, and at the network before the cut ever less', () => {
  const weightsAt = (objective: ReturnType<typeof alignInside>, step: number): readonly number[] =>
    ('terms' in objective ? objective.terms : []).map(([weight]) => (typeof weight === 'number' ? weight : weight(step)))
  expect([0, 4, 5, 9].map(step => weightsAt(alignInside('a', ['b'], 10), step))).toEqual([[0.5, 0.5], [0.5, 0.5], [1, 0], [1, 0]]) // prettier-ignore
  const stream = [0, 5, 10, 19].map(step => weightsAt(alignStream('a', ['b'], 20), step))
  const want = [[1 / 11, 10 / 11, 10 / 11], [6 / 11, 5 / 11, 5 / 11], [1, 0, 0], [1, 0, 0]] // prettier-ignore
  stream.forEach((weights, i) => weights.forEach((weight, j) => expect(weight).toBeCloseTo(want[i][j], 12)))
})

it('refuses a stream that is what the network gives, units that it has not and those of the first cut', async () => {
  const bert = freshModel({ ...ENCODER, model_type: 'bert', vocab_size: 32, max_position_embeddings: 16 }, { seed: 2 })
  const ids = calibration()
  await expect(compress(bert, slimSam({ steps: 1 }), { calibration: ids })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/"stream" is what this network gives\.\nUse it on a network with a head/),
  })
  tf.dispose(ids)
  await expect(cutBy(slimSam({ steps: 1 }))).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('finds no sizes') }) // prettier-ignore
  expect(() => slimSam({ units: ['stream', 'neurons'] })).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('Leave "stream" out') })) // prettier-ignore
  expect(() => slimSam({ keep: 1 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('keep') }))
})
