import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoModel, useEngine } from '@tersor/testing'
import { fromFloat32, fromIntegers, memorySink, toFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { activationParameters, fakeQuantize, quantizedActivations } from '../model/activation-grid.js'
import { affineOf } from '../codecs/affine.js'
import { factoredOf } from '../codecs/factored.js'
import { powersOf } from '../codecs/powers.js'
import { maskedOf } from '../codecs/masked.js'
import { sumOf } from '../codecs/sum.js'
import { decode } from '../model/decode.js'
import { sitesOf, type Model } from '../model/model.js'
import { byPlace } from './by-place.js'
import { frozen } from './frozen.js'
import { leaves } from './leaves.js'
import type { Parametrization } from './parametrization.js'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

useEngine()

const options: TrainOptions = {
  objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
  transform: sgd({ learningRate: 0.05 }),
  data: (_step, rng) => {
    const input = tf.tensor2d(Float32Array.from({ length: 32 * 16 }, rng.normal), [32, 16])
    return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
  },
  steps: 2,
  seed: 3,
}

/** The smallest model with some parameters in another form, and some more. */
const modelWith = async (
  change: (name: string, parameter: Dense) => Parameter,
  more: Iterable<[string, Parameter]> = [],
): Promise<Model> => {
  const model = picoModel()
  const sink = memorySink()
  for (const name of model.params.names()) await sink.write(name, change(name, (await model.params.read(name)) as Dense))
  for (const [name, parameter] of more) await sink.write(name, parameter)
  return { ...model, params: await sink.finish() }
}

const WEIGHT = 'layers.0.weight'
const first = (form: (weight: Dense) => Parameter) => modelWith((name, weight) => (name === WEIGHT ? form(weight) : weight))
const partsOf = async (model: Model) => ((await model.params.read(WEIGHT)) as Encoded).parts
const factorsOf = (): readonly [Dense, Dense] => [
  fromFloat32(
    Float32Array.from({ length: 96 }, (_, i) => Math.sin(i) / 4),
    'f32',
    [32, 3],
  ),
  fromFloat32(
    Float32Array.from({ length: 48 }, (_, i) => Math.cos(i) / 4),
    'f32',
    [3, 16],
  ),
]
const valuesOf = async (model: Model, name = WEIGHT): Promise<Float32Array> => {
  const tensor = decode(await model.params.read(name))
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

describe('trees', () => {
  it('keeps what a mask removed removed, and trains the rest', async () => {
    const model = await first(weight => maskedOf(toFloat32(weight).map(value => (value > 0 ? 1 : 0)), weight)) // prettier-ignore
    const before = await valuesOf(model)
    const result = await train(model, options)
    expect(result.params.info(WEIGHT).codec).toBe('masked')
    const after = await valuesOf(result)
    expect(after.filter(value => value === 0)).toHaveLength(before.filter(value => value === 0).length)
    before.forEach((value, i) => value === 0 && expect(after[i]).toBe(0))
    expect(after).not.toEqual(before)
  })

  it('trains both factors of a product, and all of a sum', async () => {
    const factor = (shape: number[], seed: number) =>
      fromFloat32(
        Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i + seed) / 4),
        'f32',
        shape,
      )
    const product = factoredOf(factor([32, 3], 1), factor([3, 16], 2))
    const trained = (await (await train(await first(() => product), options)).params.read(WEIGHT)) as Encoded
    expect(trained.codec.name).toBe('factored')
    for (const part of ['u', 'v']) expect((trained.parts[part] as Dense).bytes).not.toEqual((product.parts[part] as Dense).bytes)
    const summed = await train(await first(weight => sumOf(weight, product)), options)
    const { base, update } = ((await summed.params.read(WEIGHT)) as Encoded).parts
    expect((update as Encoded).parts).not.toEqual(product.parts)
    expect(toFloat32(base as Dense)).not.toEqual(await valuesOf(picoModel()))
  })

  const quantized = ({ shape }: Dense) =>
    affineOf({ shape, bits: 4, group: 16, codes: new Uint8Array(512).fill(9), scales: new Float32Array(32).fill(0.5) })
  const whole = ({ shape }: Dense) => powersOf(new Uint8Array(512).fill(127), shape) // all are 2⁰
  const refusal =
    'train cannot train "layers.0.weight", which is stored as powers: it has no floats that a gradient could move.\n' +
    'Train before the step that made it, leave it to `frozen`, or pass a parametrization that works on its site.'

  it('trains codes on a grid by their scales, bit for bit otherwise, in a mask too', async () => {
    const masked = await first(weight =>
      maskedOf(
        new Uint8Array(512).map((_, i) => i % 2),
        quantized(weight),
      ),
    )
    for (const model of [await first(quantized), masked]) {
      const before = (await model.params.read(WEIGHT)) as Encoded
      const after = (await (await train(model, options)).params.read(WEIGHT)) as Encoded
      const codes = (tree: Encoded): Encoded => (tree.codec.name === 'masked' ? (tree.parts.values as Encoded) : tree)
      expect(codes(after).parts.data).toEqual(codes(before).parts.data)
      expect(after.parts.mask).toEqual(before.parts.mask)
      expect(codes(after).parts.scale).not.toEqual(codes(before).parts.scale)
      expect((codes(after).parts.scale as Dense).dtype).toBe('f16')
    }
  })

  it('trains some leaves alone, and nothing of what is frozen', async () => {
    const model = await first(weight => sumOf(quantized(weight), factoredOf(...factorsOf())))
    const [quantizedBefore, plainBefore] = [await partsOf(model), await valuesOf(model, 'layers.1.weight')]
    const scales = await train(model, { ...options, parametrize: leaves({ parts: ['scale'] }) })
    expect((await partsOf(scales)).update).toEqual(quantizedBefore.update)
    expect((await partsOf(scales)).base).not.toEqual(quantizedBefore.base)
    expect(await valuesOf(scales, 'layers.1.weight')).toEqual(plainBefore) // a plain weight has no scale
    const still = await train(model, { ...options, parametrize: byPlace([({ name }) => name === WEIGHT, frozen]) })
    expect(await partsOf(still)).toEqual(quantizedBefore)
    expect(await valuesOf(still, 'layers.1.weight')).not.toEqual(plainBefore)
    await expect(train(model, { ...options, parametrize: frozen })).rejects.toThrow(
      'train has nothing to train.\nLeave something that is not `frozen`.',
    )
    expect(() => leaves({ parts: [] })).toThrow("leaves got no parts.\nName some, such as parts: ['scale'], or leave it out for all.")
    await expect(train(model, { ...options, parametrize: byPlace([() => true, frozen], [() => true, leaves()]) })).rejects.toThrow(
      "The case of leaves, number 2 of byPlace, selects nothing that those before it leave.\nThe model's parameters are layers.0.weight, layers.1.weight.",
    )
  })

  it('refuses what has no floats before any work', async () => {
    const before = tf.memory().numTensors
    const unused = { ...options, data: () => Promise.reject(new Error('No batch is asked for.')) }
    await expect(train(await first(whole), unused)).rejects.toThrow(refusal)
    await expect(train(await first(whole), unused)).rejects.toMatchObject({ code: 'COMPOSITION', fields: { codec: 'powers' } })
    expect(tf.memory().numTensors).toBe(before)
  })

  it('takes codes that a parametrization works on, and no others', async () => {
    const signs: Parametrization<{ weight: tf.Tensor }> = {
      name: 'signs',
      init: weight => ({ weight }),
      weight: ({ weight }) => tf.clone(weight),
      finish: async ({ weight }) => fromFloat32((await weight.data<'float32'>()).map(Math.sign), 'f32', weight.shape),
    }
    const result = await train(await first(whole), { ...options, parametrize: signs })
    expect(new Set((await valuesOf(result)).map(Math.abs))).toEqual(new Set([1]))
    const elsewhere = { ...options, parametrize: { ...signs, only: 'layers.1' } }
    await expect(train(await first(whole), elsewhere)).rejects.toThrow(refusal)
    await expect(train(picoModel(), { ...options, parametrize: { ...signs, only: 'nowhere' } })).rejects.toThrow(
      'signs finds no site to work on with only = "nowhere".',
    )
  })
})

describe('what is not trained', () => {
  it('keeps whole numbers, grids of inputs and what no stage uses, byte for byte', async () => {
    const grids = [...activationParameters(sitesOf(picoModel())[0], { bits: 8, scale: 0.05, zero: 127 })]
    const spare = fromFloat32([1, 2], 'f16', [2])
    const model = quantizedActivations(await modelWith((_, weight) => weight, [...grids, ['spare', spare]]))
    const counts = fromIntegers([3, 4], 'i32', [2])
    const [stage, ...stages] = model.stages
    const sink = memorySink()
    for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
    await sink.write('counts', counts)
    const whole = {
      ...model,
      params: await sink.finish(),
      stages: [{ ...stage, parameters: [...stage.parameters, 'counts'] }, ...stages],
    }
    const before = tf.memory().numTensors
    const result = await train(whole, { ...options, watch: { every: 1, measure: weights => weights('counts').size } })
    expect(tf.memory().numTensors).toBe(before)
    for (const [name, parameter] of [...grids, ['spare', spare] as const, ['counts', counts] as const])
      expect(await result.params.read(name)).toEqual(parameter)
    expect(await valuesOf(result)).not.toEqual(await valuesOf(model)) // the gradient came through the grid
  })

  it('refuses stages that another runtime computes', async () => {
    const { params, stages } = picoModel()
    const opaque = { params, stages: [stages[0], { ...stages[1], differentiable: false }] }
    await expect(train(opaque, options)).rejects.toMatchObject({ code: 'COMPOSITION', fields: { stage: 'layers.1' } })
    await expect(train(opaque, options)).rejects.toThrow(
      'train needs gradients, and the stage "layers.1" has none: another runtime computes it.\n' +
        'Train a network of @tersor/models, or a tfjs graph, and compress this one without training.',
    )
  })

  it('checks its options before any work', async () => {
    await expect(train(picoModel(), { ...options, watch: { every: 0.5, measure: () => 0 } })).rejects.toThrow(
      'train got watch.every = 0.5.\nPass a positive integer: steps from one look to the next.',
    )
  })
})

it('gives each parameter a stream of random numbers by its name', async () => {
  const seen = new Map<string, number[]>()
  const listening: TrainOptions['transform'] = {
    name: 'listening',
    init: () => [],
    update: (gradient, state, { parameter, step, rng }) => {
      seen.set(`${parameter.shape}`, [...(seen.get(`${parameter.shape}`) ?? []), step, rng.uniform()])
      return [tf.mul(gradient, 0), state]
    },
  }
  await train(picoModel(), { ...options, transform: listening })
  const alone = [...seen.get('8,32')!]
  seen.clear()
  const [stage, ...stages] = picoModel().stages
  const params = (await modelWith((_, weight) => weight, [['added', fromFloat32([1], 'f32', [1])]])).params
  await train(
    { params, stages: [{ ...stage, parameters: ['added', ...stage.parameters] }, ...stages] },
    { ...options, transform: listening },
  )
  expect(seen.get('8,32')).toEqual(alone)
  expect(new Set(alone).size).toBe(4) // another one at each step
})

it('passes the gradient straight through a grid, and none outside of it', async () => {
  const [scale, zero] = [tf.tensor1d([0.5]), tf.tensor1d([1], 'int32')]
  // 2 bits around zero = 1: codes 0 … 3 stand for −0.5 … 1; x / 0.5 + 1 rounds to −1, 0, 1, 2, 3, 4
  const x = tf.tensor1d([-1, -0.6, 0.2, 0.3, 1.1, 1.4])
  const { value, grad } = tf.valueAndGrad(input => fakeQuantize(input, scale, zero, 2))(x, tf.tensor1d([1, 2, 3, 4, 5, 6]))
  expect([...(await value.data())]).toEqual([-0.5, -0.5, 0, 0.5, 1, 1])
  expect([...(await grad.data())]).toEqual([0, 2, 3, 4, 5, 0])
  tf.dispose([scale, zero, x, value, grad])
})
