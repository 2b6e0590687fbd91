import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoModel, useEngine } from '@tersor/testing'
import { memorySink, toFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { affineOf } from '../codecs/affine.js'
import { maskedOf } from '../codecs/masked.js'
import { activationParameters, quantizedActivations } from '../model/activation-grid.js'
import { rowGridParameters } from '../model/row-grid.js'
import { decode } from '../model/decode.js'
import { sitesOf, type Model, type Stage } from '../model/model.js'
import { siteInput } from '../model/site-product.js'
import { byPlace } from './by-place.js'
import { frozen } from './frozen.js'
import type { Parametrization, Place } from './parametrization.js'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

useEngine()

const options: TrainOptions = {
  objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
  transform: sgd({ learningRate: 0.05 }),
  data: (_step, rng) => {
    const input = tf.tensor2d(Float32Array.from({ length: 8 * 16 }, rng.normal), [8, 16])
    return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
  },
  steps: 3,
  seed: 3,
}

/** The smallest model with its weights in another form. */
const modelWith = async (change: (weight: Dense) => Parameter, more: Iterable<readonly [string, Parameter]> = []): Promise<Model> => {
  const model = picoModel()
  const sink = memorySink()
  for (const name of model.params.names()) await sink.write(name, change((await model.params.read(name)) as Dense))
  for (const [name, parameter] of more) await sink.write(name, parameter)
  return { ...model, params: await sink.finish() }
}

/** Signs times a learned scale, (out, in); the straight way through for the weight. */
const binary: Parametrization<{ weight: tf.Tensor; scale: tf.Tensor }> = {
  name: 'binary',
  frozen: ['weight'],
  init: weight => ({ weight: tf.clone(weight), scale: tf.mean(tf.abs(weight)) }),
  weight: ({ weight, scale }) => tf.mul(tf.sub(tf.mul(2, tf.cast(tf.greater(weight, 0), 'float32')), 1), scale),
  finish: async ({ weight, scale }) => {
    const [values, [size]] = [await weight.data<'float32'>(), await scale.data()]
    const codes = values.map(value => (value > 0 ? 2 : 0))
    return affineOf({ shape: weight.shape, bits: 2, group: weight.shape[1]!, codes, scales: new Float32Array(weight.shape[0]).fill(size), zeros: new Uint8Array(weight.shape[0]).fill(1) }) // prettier-ignore
  },
}

it('takes the place of the payload, so that a mask stays', async () => {
  const masked = await modelWith(weight => maskedOf(toFloat32(weight).map((_, i) => i % 2), weight)) // prettier-ignore
  const result = await train(masked, { ...options, parametrize: binary })
  const tree = (await result.params.read('layers.0.weight')) as Encoded
  expect([tree.codec.name, (tree.parts.values as Encoded).codec.name]).toEqual(['masked', 'affine'])
  const values = await decode(tree).data()
  values.forEach((value, i) => expect(value === 0).toBe(i % 2 === 0))
  const replaced = await train(masked, { ...options, parametrize: { ...binary, rewrites: 'whole' } })
  expect(replaced.params.info('layers.0.weight').codec).toBe('affine')
})

it('trains its state but for what is frozen, by names of its own', async () => {
  const seen = new Set<string>()
  const listening: TrainOptions['transform'] = {
    name: 'listening',
    init: () => [],
    update: (gradient, state, { name, site }) => (seen.add(`${name} @ ${site?.name}`), [tf.mul(gradient, -0.05), state]),
  }
  await train(picoModel(), { ...options, transform: listening, parametrize: binary })
  expect([...seen]).toEqual(['layers.0.weight.scale @ layers.0', 'layers.1.weight.scale @ layers.1'])
})

it('sees weights as methods do, (out, in), wherever the outputs stand', async () => {
  const model = picoModel()
  const places: Place[] = []
  const turned = async (): Promise<Model> => {
    const sites = sitesOf(model).map(site => ({ ...site, outAxis: 1, inAxis: 0 }))
    const stages = model.stages.map((stage, i): Stage => ({
      ...stage,
      sites: [sites[i]],
      run: (x, env) => tf.matMul(siteInput(sites[i], x, env) as tf.Tensor2D, env.weights(sites[i].weight) as tf.Tensor2D),
    }))
    const sink = memorySink()
    for (const name of model.params.names()) {
      const { shape, bytes, ...rest } = (await model.params.read(name)) as Dense
      await sink.write(name, { ...rest, bytes, shape: [shape[1], shape[0]] })
    }
    return { params: await sink.finish(), stages }
  }
  const shapes: number[][] = []
  const looking: typeof binary = { ...binary, init: (weight, place, rng) => (shapes.push(weight.shape), places.push(place), binary.init(weight, place, rng)) } // prettier-ignore
  const result = await train(await turned(), { ...options, parametrize: looking })
  expect(shapes).toEqual([[32, 16], [8, 32]]) // prettier-ignore
  expect(places.map(({ name, dtype, current }) => [name, dtype, current.shape])).toEqual([
    ['layers.0.weight', 'f32', [32, 16]],
    ['layers.1.weight', 'f32', [8, 32]],
  ])
  expect(result.params.info('layers.0.weight')).toMatchObject({ codec: 'matrix', shape: [16, 32] })
})

it('makes a weight once a step, and what a site multiplies, and adds to the loss', async () => {
  const made: number[] = []
  const fed: number[] = []
  const watching: Parametrization<{ weight: tf.Tensor; gain: tf.Tensor }> = {
    name: 'watching',
    only: 'layers.1',
    init: weight => ({ weight, gain: tf.scalar(2) }),
    weight: ({ weight }, moment) => (made.push(moment.step), tf.clone(weight)),
    input: ({ gain }, x, moment) => (fed.push(moment.step), tf.mul(x, gain)),
    penalty: ({ gain }) => tf.square(gain as tf.Scalar),
    constraint: ({ weight, gain }, { step }) => ({ weight, gain: tf.add(gain, step === 0 ? 1 : 0) }),
    finish: ({ gain }) => ({ weight: picoWeight, beside: new Map([['gain', picoGain(gain)]]) }),
  }
  const picoWeight = (await picoModel().params.read('layers.1.weight')) as Dense
  const gains: number[] = []
  const picoGain = (gain: tf.Tensor): Dense => (gains.push(gain.dataSync()[0]), picoWeight)
  const model = picoModel()
  // the second stage twice: it asks twice for its weight
  const twice = { ...model, stages: [...model.stages.slice(0, 2)] }
  twice.stages[1] = { ...model.stages[1], run: (x, env) => tf.div(tf.add(model.stages[1].run(x, env), model.stages[1].run(x, env)), 2) }
  const losses: number[] = []
  const still = { ...options, transform: sgd({ learningRate: 0 }), data: () => ({ input: tf.zeros([8, 16]), target: tf.zeros([8, 8]) }) }
  const result = await train(twice, {
    ...still,
    parametrize: watching,
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  expect(made).toEqual([0, 1, 2])
  expect(fed).toEqual([0, 0, 1, 1, 2, 2])
  expect(losses).toEqual([4, 9, 9])
  expect(gains).toEqual([3])
  expect(result.params.names()).toContain('gain')
})

it('leaves embeddings and heads alone in a choice by place too, unless they are named', async () => {
  const model = picoModel()
  const [stage, last] = model.stages
  const headed: Model = { ...model, stages: [stage, { ...last, sites: [{ ...last.sites[0], head: true }] }] }
  const formOf = async (parametrize: TrainOptions['parametrize']) => {
    const { params } = await train(headed, { ...options, ...(parametrize && { parametrize }) })
    return ['layers.0.weight', 'layers.1.weight'].map(name => params.info(name).codec ?? params.info(name).dtype)
  }
  expect(await formOf(byPlace([() => true, binary]))).toEqual(['affine', 'f32'])
  expect(await formOf(byPlace([({ site }) => site?.head === true, { ...binary, only: '*' }], [() => true, frozen]))).toEqual([
    'f32',
    'affine',
  ])
})

const FIRST = sitesOf(picoModel())[0]
it.each([
  ['on a grid', activationParameters(FIRST, { bits: 8, scale: 0.05, zero: 127 })],
  ['on one for each row', rowGridParameters(FIRST, 8)],
])('refuses to make inputs anew that are %s', async (_, parameters) => {
  const grids = [...parameters]
  const model = quantizedActivations(await modelWith(weight => weight, grids))
  const doubling: typeof binary = { ...binary, input: (_state, x) => tf.mul(x, 2) }
  const before = tf.memory().numTensors
  await expect(train(model, { ...options, parametrize: doubling })).rejects.toThrow(
    'binary makes the inputs of "layers.0" anew, which are rounded already.\nTrain before the step that rounds them, or leave this site out with only.',
  )
  expect(tf.memory().numTensors).toBe(before)
})
