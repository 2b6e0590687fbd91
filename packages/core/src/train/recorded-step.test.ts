import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { statistics } from '@tersor/backend-ort'
import { picoModel } from '@tersor/testing'
import { through } from '@tersor/kernels/through'
import { fromFloat32, memorySink, toFloat32, type Dense, type Encoded } from '@tersor/tensor'
import { activationParameters, quantizedActivations } from '../model/activation-grid.js'
import { maskedOf } from '../codecs/masked.js'
import { sitesOf, type Model } from '../model/model.js'
import { adam } from './adam.js'
import { clip } from './clip.js'
import { chain } from './gradient-transform.js'
import { weighted, type Term } from './objective.js'
import type { Parametrization } from './parametrization.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

const data: TrainOptions['data'] = (step, rng) => {
  const rows = step % 4 === 3 ? 16 : 32 // two shapes, so two graphs
  const input = tf.tensor2d(Float32Array.from({ length: rows * 16 }, rng.normal), [rows, 16])
  return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
}

/** How often the network's JavaScript ran. */
const counted = (): { readonly model: Model; readonly runs: () => number } => {
  const model = picoModel()
  let runs = 0
  const [first, ...rest] = model.stages
  return { model: { ...model, stages: [{ ...first, run: (x, env) => (runs++, first.run(x, env)) }, ...rest] }, runs: () => runs }
}

const options: TrainOptions = {
  objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
  transform: chain(clip({ norm: 0.5 }), adam({ learningRate: 0.02, weightDecay: 0.1 })),
  data,
  steps: 12,
  seed: 3,
}

const trained = async (backend: string, extra: Partial<TrainOptions> = {}) => {
  await tf.setBackend(backend)
  expect(tf.getBackend()).toBe(backend)
  const { model, runs } = counted()
  const losses: number[] = []
  const { params } = await train(model, {
    ...options,
    ...extra,
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  const weights = (await Promise.all(params.names().map(name => params.read(name)))) as Dense[]
  return { losses, weights, runs: runs() }
}

describe('on an engine that records', () => {
  it('runs the network once for each shape of batch, and learns what other engines learn', async () => {
    const [plain, recorded] = [await trained('cpu'), await trained('ort')]
    expect(plain.runs).toBe(12)
    expect(recorded.runs).toBe(2)
    expect(plain.losses[11]).toBeLessThan(0.9 * plain.losses[0])
    recorded.losses.forEach((loss, step) => expect(loss).toBeCloseTo(plain.losses[step], 4))
    recorded.weights.forEach((weight, i) => {
      const expected = toFloat32(plain.weights[i])
      const apart = toFloat32(weight).map((value, at) => Math.abs(value - expected[at]))
      expect(Math.max(...apart)).toBeLessThan(5e-4)
    })
  })

  it('gives the same bytes for the same seed, and leaves no tensor behind', async () => {
    const first = await trained('ort')
    const before = tf.memory().numTensors
    const second = await trained('ort')
    expect(tf.memory().numTensors).toBe(before)
    second.weights.forEach(({ bytes }, i) => expect(bytes).toEqual(first.weights[i].bytes))
    expect((await trained('ort', { seed: 4 })).losses).not.toEqual(first.losses)
  })

  it('frees everything on an abort, at every step', async () => {
    const before = tf.memory().numTensors
    for (let stop = 1; stop <= 6; stop++) {
      const controller = new AbortController()
      let left = stop
      const onProgress = () => --left === 0 && controller.abort(new Error('enough'))
      await expect(train(picoModel(), { ...options, signal: controller.signal, onProgress })).rejects.toThrow('enough')
      expect(tf.memory().numTensors).toBe(before)
    }
  })

  it('records masks and grids of inputs, which stay as they are', async () => {
    const masked = async (): Promise<Model> => {
      const model = picoModel()
      const sink = memorySink()
      for (const name of model.params.names()) {
        const weight = (await model.params.read(name)) as Dense
        await sink.write(name, maskedOf(toFloat32(weight).map(value => (value > 0 ? 1 : 0)), weight)) // prettier-ignore
      }
      for (const site of sitesOf(model))
        for (const [name, parameter] of activationParameters(site, { bits: 8, scale: 0.05, zero: 127 })) await sink.write(name, parameter)
      return quantizedActivations({ ...model, params: await sink.finish() })
    }
    const results: number[][] = []
    for (const backend of ['cpu', 'ort']) {
      await tf.setBackend(backend)
      const before = tf.memory().numTensors
      const losses: number[] = []
      const result = await train(await masked(), { ...options, onProgress: event => event.type === 'trained' && losses.push(event.loss) })
      expect(tf.memory().numTensors).toBe(before)
      const { mask } = ((await result.params.read('layers.0.weight')) as Encoded).parts
      expect(mask).toEqual(((await (await masked()).params.read('layers.0.weight')) as Encoded).parts.mask)
      results.push(losses)
    }
    expect(results[0][11]).toBeLessThan(results[0][0])
    results[1].forEach((loss, step) => expect(loss).toBeCloseTo(results[0][step], 2)) // a code at a border may fall to the other side
  })

  it('records a teacher and rounded weights whose inputs are rounded too, as one graph', async () => {
    const halves: Parametrization<{ weight: tf.Tensor; gain: tf.Tensor }> = {
      name: 'halves',
      init: weight => ({ weight, gain: tf.scalar(0.5) }),
      weight: ({ weight, gain }) => tf.mul(through(tf.round(tf.div(weight, gain)), tf.div(weight, gain)), gain),
      input: ({ gain }, x) => tf.mul(tf.clipByValue(x, -4, 4), tf.add(1, tf.mul(gain, 0.01))),
      finish: async ({ weight }) => fromFloat32(await weight.data<'float32'>(), 'f32', weight.shape),
    }
    const imitate: Term = { name: 'imitate', taught: true, loss: ({ student, teacher }) => tf.mean(tf.square(tf.sub(student.output, teacher.output))) } // prettier-ignore
    const more = { objective: weighted([step => 1 / (step + 1), imitate], [0.5, options.objective]), teacher: picoModel({ seed: 9 }), parametrize: halves } // prettier-ignore
    const [plain, recorded] = [await trained('cpu', more), await trained('ort', more)]
    expect(plain.runs).toBe(12)
    expect(recorded.runs).toBe(4) // twice for each of two shapes, since a schedule asks for the step
    recorded.losses.forEach((loss, step) => expect(loss).toBeCloseTo(plain.losses[step], 3))
  })

  it('makes the norm of the gradients in that graph: a step of Adam runs no other', async () => {
    await tf.setBackend('ort')
    const flushes: number[] = []
    const input = tf.fill([32, 16], 0.5)
    await train(picoModel(), {
      ...{ ...options, transform: adam({ learningRate: 0.02 }) },
      data: () => ({ input: tf.clone(input), target: tf.tensor2d(new Float32Array(32 * 8), [32, 8]) }),
      onProgress: event => event.type === 'trained' && flushes.push(statistics().flushes),
    })
    input.dispose()
    expect(flushes.slice(2)).toEqual(flushes.slice(2).map(() => flushes[1]))
  })

  it('goes on without a graph where batches have ever new shapes', async () => {
    const ever: TrainOptions['data'] = (step, rng) => {
      const input = tf.tensor2d(Float32Array.from({ length: (step + 1) * 16 }, rng.normal), [step + 1, 16])
      return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
    }
    const [plain, recorded] = [await trained('cpu', { data: ever }), await trained('ort', { data: ever })]
    recorded.losses.forEach((loss, step) => expect(loss).toBeCloseTo(plain.losses[step], 4))
  })
})
