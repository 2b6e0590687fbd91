import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoModel, useEngine } from '@tersor/testing'
import type { Dense } from '@tersor/tensor'
import type { Model } from '../model/model.js'
import type { ProgressEvent } from '../run/progress-event.js'
import { createRng } from '../run/rng.js'
import { adam } from './adam.js'
import { memoryScratch } from './memory-scratch.fixture.js'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

useEngine()

const STEPS = 12
const KILLS = process.env.TERSOR_SLOW === '1' ? 20 : 6
const options: TrainOptions = {
  objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
  transform: adam({ learningRate: 0.02 }),
  data: (_step, rng) => {
    const input = tf.tensor2d(Float32Array.from({ length: 8 * 16 }, rng.normal), [8, 16])
    return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
  },
  steps: STEPS,
  seed: 3,
  average: { decay: 0.8 },
  watch: { every: 3, keep: 'best', measure: async weights => (await weights('layers.1.weight').data())[5] },
}

const bytesOf = async ({ params }: Model): Promise<Uint8Array[]> =>
  Promise.all(params.names().map(async name => ((await params.read(name)) as Dense).bytes))

/** Trains until some step is told, as a process that is killed there. */
const killed = async (scratch: ReturnType<typeof memoryScratch>, at: number): Promise<void> => {
  const onProgress = (event: ProgressEvent): void => {
    if (event.type === 'trained' && event.step === at) throw new Error('killed')
  }
  await expect(train(picoModel(), { ...options, checkpoint: { scratch, every: 2 }, onProgress })).rejects.toThrow('killed')
}

it('goes on to the same bytes wherever it was killed, and however often', async () => {
  const whole = await bytesOf(await train(picoModel(), options))
  const rng = createRng(1)
  const before = tf.memory().numTensors
  for (let kill = 0; kill < KILLS; kill++) {
    const scratch = memoryScratch()
    const first = 1 + rng.integer(STEPS)
    await killed(scratch, first)
    if (first < STEPS - 1 && kill % 3 === 0) await killed(scratch, first + 1 + rng.integer(STEPS - first - 1))
    const seen: ProgressEvent[] = []
    const resumed = await train(picoModel(), { ...options, checkpoint: { scratch, every: 2 }, onProgress: event => seen.push(event) })
    expect(await bytesOf(resumed)).toEqual(whole)
    if (first >= 2) expect(seen[0]).toMatchObject({ type: 'resumed', pass: 'train', of: STEPS })
    expect(scratch.units.size).toBeLessThanOrEqual(2)
  }
  expect(tf.memory().numTensors).toBe(before)
})

it('goes on from the one before where the last is damaged, and takes a finished training as it is', async () => {
  const whole = await bytesOf(await train(picoModel(), options))
  const scratch = memoryScratch()
  await killed(scratch, 7)
  scratch.damage('training-checkpoint-0') // of step 6
  const steps: number[] = []
  const onProgress = (event: ProgressEvent): void => void (event.type === 'trained' && steps.push(event.step))
  expect(await bytesOf(await train(picoModel(), { ...options, checkpoint: { scratch, every: 2 }, onProgress }))).toEqual(whole)
  expect(steps[0]).toBe(5)
  steps.length = 0
  expect(await bytesOf(await train(picoModel(), { ...options, checkpoint: { scratch, every: 2 }, onProgress }))).toEqual(whole)
  expect(steps).toEqual([])
})

it('stops again where a watch had enough', async () => {
  const impatient: TrainOptions = { ...options, watch: { every: 1, patience: 2, measure: (_weights, step) => step } }
  const scratch = memoryScratch()
  const run = async () => {
    const steps: number[] = []
    const onProgress = (event: ProgressEvent): void => void (event.type === 'trained' && steps.push(event.step))
    return { bytes: await bytesOf(await train(picoModel(), { ...impatient, checkpoint: { scratch, every: 5 }, onProgress })), steps }
  }
  const first = await run()
  expect(first.steps).toEqual([1, 2, 3])
  expect(await run()).toEqual({ bytes: first.bytes, steps: [] })
})

it('refuses a checkpoint of other data, and of another training', async () => {
  const scratch = memoryScratch()
  await killed(scratch, 5)
  const refused = (more: Partial<TrainOptions>) =>
    expect(train(picoModel(), { ...options, checkpoint: { scratch, every: 2 }, ...more })).rejects
  await refused({ seed: 4 }).toThrow('The checkpoint of step 4 in memory was made with other data: ')
  await refused({ seed: 4 }).toThrow('\nTrain with what the stopped training had, or begin anew.')
  await refused({ seed: 4 }).toMatchObject({ code: 'RESUME', fields: { what: 'data' } })
  await refused({ transform: sgd({ learningRate: 1 }) }).toThrow(
    'The checkpoint of step 4 in memory was made with other transform: adam, where it is sgd now.',
  )
  await refused({ steps: 13 }).toThrow('The checkpoint of step 4 in memory was made with other steps: 12, where it is 13 now.')
  await refused({ checkpoint: { scratch, every: 0 } }).toThrow(
    'train got checkpoint.every = 0.\nPass a positive integer: steps from one to the next.',
  )
})
