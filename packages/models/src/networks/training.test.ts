import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import {
  adam,
  compress,
  crossEntropy,
  forward,
  loadModel,
  sgd,
  sitesOf,
  train,
  type Model,
  type Parametrization,
  type TrainOptions,
} from '@tersor/core'
import { lsq, quantizeActivations } from '@tersor/quantization'
import { casesTried } from '@tersor/testing'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromFloat32, type Dense } from '@tersor/tensor'
import { openModel } from '../opening/open-model.js'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { picoLlama } from './pico-llama.js'
import { resNetModel } from './resnet.js'
import { pixels, tiny, tinyStore } from './tiny-resnet.fixture.js'
import { placeGraph, placeLayers } from '../imported/tfjs/tiny-tfjs.fixture.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-training-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Names of parameters whose bytes two models do not share. */
const changed = async (before: Model, after: Model): Promise<readonly string[]> => {
  const digest = async ({ params }: Model, name: string) =>
    createHash('sha256')
      .update(((await params.read(name)) as Dense).bytes)
      .digest('hex')
  const names = before.params.names()
  const same = await Promise.all(names.map(async name => (await digest(before, name)) === (await digest(after, name))))
  return names.filter((_, i) => !same[i])
}

const options = { objective: crossEntropy, transform: adam({ learningRate: 0.05 }), steps: 2, seed: 1 }
const images: TrainOptions['data'] = () => ({ input: pixels(2), target: tf.tensor1d([0, 2], 'int32') })

it('trains all of a ResNet, and keeps running means and variances of its batches unless it is told to leave them', async () => {
  const model = resNetModel(tiny, tinyStore())
  const before = tf.memory().numTensors
  const stored = await train(model, { ...options, data: images, statistics: 'stored' })
  expect(tf.memory().numTensors).toBe(before)
  expect(await changed(model, stored)).toEqual(model.params.names().filter(name => !name.includes('running')))
  const losses: number[] = []
  const batched = await train(model, {
    ...{ ...options, data: images, steps: 4, transform: sgd({ learningRate: 0.1 }) },
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  expect(tf.memory().numTensors).toBe(before)
  expect(await changed(model, batched)).toEqual(model.params.names())
  expect(losses.every(Number.isFinite)).toBe(true) // on stored statistics this rate ends in NaN at the third step
  expect(losses[3]).toBeLessThan(losses[0])
})

it.each(casesTried(['ort', 'cpu'], 2))(
  'trains a ResNet for weights and inputs of three bits on %s, and runs it as it was trained',
  async backend => {
    await tf.setBackend(backend)
    const model = resNetModel(tiny, tinyStore())
    const before = tf.memory().numTensors
    const losses: number[] = []
    const small = await train(model, {
      ...{ ...options, data: images, steps: 5, parametrize: lsq({ bits: 3, inputs: 3, granularity: 'row' }) },
      onProgress: event => event.type === 'trained' && losses.push(event.loss),
    })
    expect(losses.every(Number.isFinite)).toBe(true)
    expect(losses[4]).toBeLessThan(losses[0])
    const chosen = sitesOf(model).filter(site => !site.head)
    expect(small.params.names().filter(name => name.endsWith('.input_scale'))).toEqual(chosen.map(({ name }) => `${name}.input_scale`))
    expect(small.params.info('layer1.0.conv1.weight').codec).toBe('matrix')
    const { weights, dispose } = await loadModel(small)
    const input = pixels(2)
    const output = forward(small, input, { weights })
    expect((await output.data()).every(Number.isFinite)).toBe(true)
    tf.dispose([output, input])
    dispose()
    expect(tf.memory().numTensors).toBe(before)
    await tf.setBackend('cpu')
  },
)

it.each(['gpt2', 'bert for masked tokens', 'vit', 'mixtral'])('trains all of a fresh network: %s', async name => {
  const model = freshModel(FRESH_CONFIGS[name])
  const ids = (): tf.Tensor2D => tf.tensor2d(Int32Array.from({ length: 16 }, (_, i) => (i * 7) % 60), [2, 8], 'int32') // prettier-ignore
  const data = name === 'vit' ? images : () => ({ input: ids(), target: ids() })
  const before = tf.memory().numTensors
  const trained = await train(model, { ...options, data })
  expect(tf.memory().numTensors).toBe(before)
  expect(await changed(model, trained)).toEqual(model.params.names())
})

it('trains a network of tfjs layers but for the running means of its norms', async () => {
  const model = await openModel(await placeLayers(folder))
  const input = () => tf.tensor4d(Float32Array.from({ length: 72 }, (_, i) => Math.sin(i)), [1, 6, 6, 2]) // prettier-ignore
  const trained = await train(model, { ...options, data: () => ({ input: input(), target: tf.tensor1d([1], 'int32') }) })
  const kept = model.params.names().filter(name => name.includes('moving'))
  expect(kept).toHaveLength(2)
  const names = await changed(model, trained)
  expect(names).toEqual(model.params.names().filter(name => !kept.includes(name)))
  await model.close?.()
})

it('trains a graph of TensorFlow.js', async () => {
  const rooms = join(folder, 'graph')
  await mkdir(rooms)
  const model = await openModel(await placeGraph(rooms))
  const losses: number[] = []
  const trained = await train(model, {
    ...{ ...options, steps: 5, objective: output => tf.mean(tf.square(output)) },
    data: () => ({ input: tf.tensor4d(Float32Array.from({ length: 72 }, (_, i) => Math.sin(i)), [1, 6, 6, 2]) }), // prettier-ignore
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  expect(losses[4]).toBeLessThan(losses[0])
  expect((await changed(model, trained)).length).toBeGreaterThan(0)
  await model.close?.()
})

const tokens: TrainOptions['data'] = (_step, rng) => {
  const ids = (): tf.Tensor2D => tf.tensor2d(Int32Array.from({ length: 16 }, () => rng.integer(257)), [2, 8], 'int32') // prettier-ignore
  return { input: ids(), target: ids() }
}

it('leaves a head that is the embedding to itself, unless a parametrization asks for it', async () => {
  const model = picoLlama({ layers: 1, config: { tie_word_embeddings: true } })
  const seen: string[] = []
  const listening: Parametrization<{ weight: tf.Tensor }> = {
    name: 'listening',
    init: (weight, { site }) => (seen.push(site.name), { weight }),
    weight: ({ weight }) => tf.clone(weight),
    finish: async ({ weight }) => fromFloat32(await weight.data<'float32'>(), 'f32', weight.shape),
  }
  await train(model, { ...options, steps: 1, data: tokens, parametrize: listening })
  expect(seen).toEqual(
    sitesOf(model)
      .filter(site => site.kind !== 'embedding' && !site.head)
      .map(site => site.name),
  )
  seen.length = 0
  await train(model, { ...options, steps: 1, data: tokens, parametrize: { ...listening, only: 'lm_head' } })
  expect(seen).toEqual(['lm_head'])
})

it('trains through inputs on grids, which stay as they are', async () => {
  const model = picoLlama({ layers: 1 })
  const calibration = [tf.tensor2d(Int32Array.from({ length: 32 }, (_, i) => (i * 37) % 257), [2, 16], 'int32')] // prettier-ignore
  const quantized = await compress(model, quantizeActivations(), { calibration })
  const grids = quantized.params.names().filter(name => /\.input_(scale|zero_point)$/.test(name))
  expect(grids.length).toBeGreaterThan(0)
  const names = await changed(quantized, await train(quantized, { ...options, data: tokens }))
  expect(names).toEqual(quantized.params.names().filter(name => !grids.includes(name)))
  tf.dispose(calibration)
})
