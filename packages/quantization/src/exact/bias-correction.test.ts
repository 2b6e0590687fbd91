import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, pipeline, siteInput, type Model, type Site, type Stage } from '@tersor/core'
import { describePass, picoModel } from '@tersor/testing'
import { fromFloat32, memoryStore, toFloat32, type Dense } from '@tersor/tensor'
import { biasCorrection } from './bias-correction.js'
import { biasedModel, matrixOfRows, vectorOf } from './biased-model.fixture.js'
import { rtn } from '../rounding/rtn.js'

beforeAll(() => tf.setBackend('cpu'))

const model = biasedModel({
  'first.weight': matrixOfRows([
    [0.9, -0.3],
    [0.2, 0.7],
  ]),
  'first.bias': vectorOf(0.5, -0.25),
  'second.weight': matrixOfRows([[0.35, -0.8]]),
  'second.bias': vectorOf(1),
})
const CALIBRATION = [
  [1, 2],
  [3, -2],
  [2, 3],
]

describePass(() => biasCorrection(), {
  model: () => model,
  calibration: () => [tf.tensor2d(CALIBRATION)],
  after: () => rtn({ bits: 2, granularity: 'row' }),
  calibrated: true,
})

const run = async (step: Parameters<typeof compress>[1], given: Model = model, signal?: AbortSignal) => {
  const x = tf.tensor2d(CALIBRATION)
  try {
    return await compress(given, step, { calibration: [x], ...(signal ? { signal } : {}) })
  } finally {
    x.dispose()
  }
}

const valuesOf = async (of: Model, name: string): Promise<number[]> => [...toFloat32((await of.params.read(name)) as Dense)]

const meanOutput = async (of: Model): Promise<number> => {
  const { weights, dispose } = await loadModel(of)
  const x = tf.tensor2d(CALIBRATION)
  const mean = tf.tidy(() => tf.mean(forward(of, x, { weights })))
  dispose()
  const [value] = await mean.data()
  tf.dispose([x, mean])
  return value
}

it('adds what the weight lost at the mean input, by hand', async () => {
  // Ŵ on 2 bits: scale 2 · 0.9 / 3 = 0.6, codes 2 + round(w / 0.6) up to 3; E[x] = (2, 1)
  const small = await run(pipeline(rtn({ bits: 2, granularity: 'row', only: 'first' }), biasCorrection()))
  const first = await small.params.read('first.weight')
  expect(first.kind === 'encoded' && first.codec.name).toBe('affine')
  // row 0: 0.9 → 0.6 (clamped), −0.3 → round(−0.5) = 0 → 0: lost 0.3 · 2 − 0.3 · 1 = 0.3
  // row 1: scale 1.4 / 3, 0.2 → 0, 0.7 → round(1.5) = 2, clamped to 1 → 0.4667: lost 0.2 · 2 + 0.2333 · 1
  const [a, b] = await valuesOf(small, 'first.bias')
  expect(a).toBeCloseTo(0.5 + 0.3, 2)
  expect(b).toBeCloseTo(-0.25 + 0.4 + 0.7 / 3, 2)
  expect(await valuesOf(small, 'second.bias')).toEqual([1])
})

/** Two channels with a kernel of 1 × 2 each over images (1, 1, 3, 2), and a bias. */
const depthwiseModel = (): Model => {
  const convolution = { kernel: [1, 2], strides: [1, 1], padding: [0, 0, 0, 0], depthwise: true } as const
  const site: Site = { name: 'deep', weight: 'deep.weight', kind: 'conv2d', outAxis: 2, inAxis: 2, convolution }
  const run: Stage['run'] = (x, env) =>
    tf.tidy(() => {
      const kernel = env.weights('deep.weight') as tf.Tensor4D
      return tf.add(tf.depthwiseConv2d(siteInput(site, x, env) as tf.Tensor4D, kernel, 1, 'valid'), env.weights('deep.bias'))
    })
  return {
    params: memoryStore({
      'deep.weight': fromFloat32([0.9, 0.2, -0.3, 0.7], 'f32', [1, 2, 2, 1]), // (1, 2, channels, 1)
      'deep.bias': vectorOf(0.5, -0.25),
    }),
    stages: [{ name: 'deep', parameters: ['deep.weight', 'deep.bias'], sites: [site], run }],
  }
}

it('takes the mean of its own patches for each channel of a depthwise convolution, by hand', async () => {
  const x = tf.tensor4d([[[[1, 4], [2, 0], [3, 2]]]]) // prettier-ignore
  const steps = pipeline(rtn({ bits: 2, granularity: 'row' }), biasCorrection())
  const small = await compress(depthwiseModel(), steps, { calibration: [x] })
  x.dispose()
  // weights lose what they lose above: 0.3 and −0.3 of the first channel, 0.2 and 0.7 / 3 of the second
  // patches of the first channel: (1, 2), (2, 3), mean (1.5, 2.5): 0.3 · 1.5 − 0.3 · 2.5 = −0.3
  // patches of the second: (4, 0), (0, 2), mean (2, 1): 0.2 · 2 + 0.7 / 3 · 1
  const [a, b] = await valuesOf(small, 'deep.bias')
  expect(a).toBeCloseTo(0.5 - 0.3, 2)
  expect(b).toBeCloseTo(-0.25 + 0.4 + 0.7 / 3, 2)
})

it('restores the mean output of a linear layer, over inputs that the corrected layers before give', async () => {
  const steps = [rtn({ bits: 2, granularity: 'row' as const })]
  const [plain, corrected] = [await run(pipeline(...steps)), await run(pipeline(...steps, biasCorrection()))]
  const expected = await meanOutput(model)
  expect(Math.abs((await meanOutput(corrected)) - expected)).toBeLessThan(0.5 * Math.abs((await meanOutput(plain)) - expected))
})

it('refuses where there is nothing to correct', async () => {
  const nothing = {
    code: 'COMPOSITION',
    message:
      'bias-correction found no compressed weight with a bias.\nPut it after the step that quantizes; batch norms are folded before that.',
  }
  await expect(run(biasCorrection())).rejects.toMatchObject(nothing)
  await expect(compress(picoModel(), pipeline(rtn(), biasCorrection()))).rejects.toMatchObject(nothing)
  await expect(compress(model, pipeline(rtn(), biasCorrection()))).rejects.toMatchObject({ code: 'NO_CALIBRATION' })
  const source = { ...model, params: { ...model.params, names: () => model.params.names().filter(name => name !== 'first.bias') } }
  const bias = await model.params.read('first.bias')
  const adding = {
    kind: 'pass' as const,
    name: 'fold',
    run: async (current: Model) => ({
      ...current,
      params: {
        ...current.params,
        names: () => [...current.params.names(), 'first.bias'],
        read: async (name: string) => (name === 'first.bias' ? bias : current.params.read(name)),
      },
    }),
  }
  expect((await run(pipeline({ ...adding, exact: true }, rtn(), biasCorrection()), source)).params.names()).toContain('first.bias')
  await expect(run(pipeline(adding, rtn(), biasCorrection()), source)).rejects.toMatchObject({
    code: 'COMPOSITION',
    message:
      'What the weights are compared with has no "first.bias": a step that changes them without rounding did not say that it is exact.\nGive that pass exact: true.',
  })
})
