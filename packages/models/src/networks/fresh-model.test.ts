import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { forward, loadModel, type Model } from '@tersor/core'
import { toFloat32, type Dense } from '@tersor/tensor'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { pixels } from './tiny-resnet.fixture.js'

beforeAll(() => tf.setBackend('cpu'))

const valuesOf = async (model: Model, name: string): Promise<Float32Array> => toFloat32((await model.params.read(name)) as Dense)
const deviationOf = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)

const weightsOf = ({ params }: Model): Promise<Uint8Array[]> =>
  Promise.all(params.names().map(async name => ((await params.read(name)) as Dense).bytes))

const outputOf = async (model: Model): Promise<number[]> => {
  const { weights, dispose } = await loadModel(model)
  const input = 'imageShape' in model ? pixels(2) : tf.tensor2d([3, 1, 4, 1, 5, 9], [1, 6], 'int32')
  const output = forward(model, input, { weights })
  const values = [...(await output.data())]
  tf.dispose([input, output])
  dispose()
  return values
}

it.each(Object.keys(FRESH_CONFIGS))('starts %s with weights that give numbers, by seed alone', async name => {
  const before = tf.memory().numTensors
  const [one, same, other] = [1, 1, 2].map(seed => freshModel(FRESH_CONFIGS[name], { seed }))
  const output = await outputOf(one)
  expect(output.every(Number.isFinite)).toBe(true)
  expect(new Set(output).size).toBeGreaterThan(1)
  expect(await weightsOf(same)).toEqual(await weightsOf(one))
  expect(await weightsOf(other)).not.toEqual(await weightsOf(one))
  expect(tf.memory().numTensors).toBe(before)
})

describe('the laws of fresh weights', () => {
  it('are those of transformers for GPT-2: 0.02, and 0.02 / √(2 · layers) for what is added to the stream', async () => {
    const model = freshModel({ ...FRESH_CONFIGS.gpt2, n_embd: 64, n_layer: 8 })
    expect(deviationOf(await valuesOf(model, 'transformer.h.0.attn.c_attn.weight'))).toBeCloseTo(0.02, 3)
    expect(deviationOf(await valuesOf(model, 'transformer.wte.weight'))).toBeCloseTo(0.02, 3)
    for (const name of ['attn.c_proj', 'mlp.c_proj'])
      expect(deviationOf(await valuesOf(model, `transformer.h.3.${name}.weight`))).toBeCloseTo(0.005, 4)
    expect(deviationOf(await valuesOf(model, 'transformer.h.0.attn.c_attn.bias'))).toBe(0)
    expect([...(await valuesOf(model, 'transformer.ln_f.weight'))]).toEqual(Array(64).fill(1))
  })

  it.each([
    ['bert for masked tokens', 'bert.encoder.layer.1.intermediate.dense.weight', 'cls.predictions.transform.LayerNorm'],
    ['vit', 'vit.encoder.layer.1.intermediate.dense.weight', 'vit.layernorm'],
  ])('take the initializer_range of the config and options before it: %s', async (name, weight, norm) => {
    const config = { ...FRESH_CONFIGS[name], intermediate_size: 512, initializer_range: 0.05 }
    expect(deviationOf(await valuesOf(freshModel(config), weight))).toBeCloseTo(0.05, 2)
    expect(deviationOf(await valuesOf(freshModel(config, { deviation: 0.3 }), weight))).toBeCloseTo(0.3, 1)
    expect(deviationOf(await valuesOf(freshModel(config), `${norm}.weight`))).toBe(1)
    expect(deviationOf(await valuesOf(freshModel(config), `${norm}.bias`))).toBe(0)
  })

  it('are those of torchvision for a ResNet: √(2 / fan-out) for kernels, ± 1 / √in for the head', async () => {
    const wide = { ...FRESH_CONFIGS.resnet8, stages: [{ name: 'layer1', blocks: 1, in: 32, planes: 64, stride: 2 }], classes: Array.from({ length: 40 }, (_, i) => `${i}`) } // prettier-ignore
    const model = freshModel(wide)
    expect(deviationOf(await valuesOf(model, 'layer1.0.conv2.weight'))).toBeCloseTo(Math.sqrt(2 / (64 * 9)), 3)
    const head = await valuesOf(model, 'linear.weight')
    expect(Math.max(...head.map(Math.abs))).toBeLessThanOrEqual(1 / 8)
    expect(deviationOf(head)).toBeCloseTo(1 / 8 / Math.sqrt(3), 2) // of a uniform law
    const measures = ['weight', 'bias', 'running_mean', 'running_var'].map(each => valuesOf(model, `layer1.0.bn1.${each}`))
    expect((await Promise.all(measures)).map(values => values[0])).toEqual([1, 0, 0, 1])
  })

  it('fork by name: another layer changes none of the others', async () => {
    const [two, three] = [2, 3].map(n_layer => freshModel({ ...FRESH_CONFIGS.gpt2, n_layer }))
    for (const name of ['transformer.h.1.mlp.c_fc.weight', 'transformer.wpe.weight'])
      expect(await valuesOf(three, name)).toEqual(await valuesOf(two, name))
  })
})

describe('a network from parts of another', () => {
  it('gives a body another head: BERT for masked tokens becomes one for classes', async () => {
    const masked = freshModel(FRESH_CONFIGS['bert for masked tokens'], { seed: 3 })
    const classes = freshModel(FRESH_CONFIGS['bert for classes'], { seed: 4, from: masked.params })
    const body = classes.params.names().filter(name => masked.params.names().includes(name))
    expect(body).toHaveLength(5 + 2 * 16)
    for (const name of body) expect(await valuesOf(classes, name)).toEqual(await valuesOf(masked, name))
    const alone = freshModel(FRESH_CONFIGS['bert for classes'], { seed: 4 })
    for (const name of ['bert.pooler.dense.weight', 'classifier.weight'])
      expect(await valuesOf(classes, name)).toEqual(await valuesOf(alone, name))
    expect(await outputOf(classes)).toHaveLength(5)
  })

  it('says where nothing fits', () => {
    const { params } = freshModel(FRESH_CONFIGS.vit)
    expect(() => freshModel(FRESH_CONFIGS.gpt2, { from: params })).toThrow(
      'None of the 40 parameters in "from" has a name of this network.\nPass the parameters of a network of the same architecture',
    )
    const narrow = freshModel({ ...FRESH_CONFIGS.gpt2, n_embd: 16 })
    expect(() => freshModel(FRESH_CONFIGS.gpt2, { from: narrow.params })).toThrow(expect.objectContaining({ code: 'SHAPE' }))
  })
})

it('refuses deviations and configs that say nothing', () => {
  expect(() => freshModel(FRESH_CONFIGS.llama, { deviation: 0 })).toThrow('freshModel got deviation = 0.\nPass a positive number')
  expect(() => freshModel({ model_type: 'tent' })).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  expect(() => freshModel({})).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
})
