import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { picoModel } from '@tersor/testing'
import type { Dense } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import type { Model } from '../model/model.js'
import { frozen } from './frozen.js'
import { grouped } from './grouped.js'
import { weighted, type Objective, type Term } from './objective.js'
import { sameClasses } from './scene.js'
import { linearDecay } from './schedules.js'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

const input = () => tf.tensor2d(Float32Array.from({ length: 4 * 16 }, (_, i) => Math.sin(i)), [4, 16]) // prettier-ignore
const squares = (difference: tf.Tensor): tf.Scalar => tf.mean(tf.square(difference))
const imitate: Term = { name: 'imitate', taught: true, loss: scene => squares(tf.sub(...sameClasses('imitate', scene))) }
const hidden: Term = {
  name: 'hidden',
  places: { student: ['layers.0'], teacher: ['layers.0'] },
  loss: ({ student, teacher }) => squares(tf.sub(student.at('layers.0'), teacher.at('layers.0'))),
}
const answers: Term = { name: 'answers', loss: ({ student, target }) => squares(tf.sub(student.output, target)) }
const options: TrainOptions = {
  objective: imitate,
  transform: sgd({ learningRate: 0.1 }),
  data: () => ({ input: input() }),
  steps: 3,
}

const lossesOf = async (more: Partial<TrainOptions>, model = picoModel()): Promise<number[]> => {
  const losses: number[] = []
  await train(model, { ...options, ...more, onProgress: event => event.type === 'trained' && losses.push(event.loss) })
  return losses
}

describe.each(['cpu', 'ort'])('terms on %s', backend => {
  beforeEach(async () => void (await tf.setBackend(backend)))

  it('learns from a teacher in the same step, at its output and inside', async () => {
    const teacher = picoModel({ seed: 9 })
    const before = tf.memory().numTensors
    for (const objective of [imitate, hidden]) {
      const losses = await lossesOf({ objective, teacher, steps: 8 })
      expect(losses[7]).toBeLessThan(losses[0])
      expect(await lossesOf({ objective, teacher: picoModel(), steps: 1 })).toEqual([0])
    }
    expect(tf.memory().numTensors).toBe(before)
  })

  it('adds terms up, with weights that may be schedules', async () => {
    const teacher = picoModel({ seed: 9 })
    const still = { teacher, transform: grouped(['*', sgd({ learningRate: 0 })]) }
    const [[first], [second]] = [await lossesOf({ ...still, objective: imitate }), await lossesOf({ ...still, objective: hidden })]
    const sum = weighted([2, imitate], [linearDecay({ peak: 3, steps: 3 }), weighted([0.5, hidden])])
    const expected = [3, 2, 1].map(peak => 2 * first + peak * 0.5 * second)
    const seen = await lossesOf({ ...still, objective: sum })
    seen.forEach((loss, step) => expect(loss).toBeCloseTo(expected[step], 4))
  })

  it('trains tensors that a term owns, and drops them', async () => {
    const teacher = picoModel({ seed: 9 })
    const projected: Term<{ projection: tf.Tensor }> = {
      name: 'projected',
      places: { student: ['layers.0'], teacher: ['layers.1'] },
      init: ({ student, teacher: taught }) => ({
        projection: tf.zeros([student.at('layers.0').shape[1]!, taught.at('layers.1').shape[1]!]),
      }),
      loss: ({ student, teacher: taught }, { projection }) =>
        squares(tf.sub(tf.matMul(student.at('layers.0') as tf.Tensor2D, projection as tf.Tensor2D), taught.at('layers.1'))),
    }
    const before = tf.memory().numTensors
    const groups = grouped([({ name }) => name === 'projected 0.projection', sgd({ learningRate: 0.05 })], ['*', frozen])
    const losses = await lossesOf({ objective: projected, teacher, transform: groups, steps: 20 })
    expect(losses[19]).toBeLessThan(losses[0])
    const result = await train(picoModel(), { ...options, objective: projected, teacher })
    expect(result.params.names()).toEqual(picoModel().params.names())
    expect(tf.memory().numTensors).toBe(before)
  })
})

it('says what is wrong in so many words', async () => {
  await tf.setBackend('cpu')
  const teacher = picoModel({ seed: 9 })
  const before = tf.memory().numTensors
  const refused = (objective: Objective, more: Partial<TrainOptions> = {}) =>
    expect(train(picoModel(), { ...options, objective, teacher, ...more })).rejects
  const { teacher: _none, ...untaught } = { ...options, teacher: undefined }
  await expect(train(picoModel(), untaught)).rejects.toThrow(
    'The term "imitate" needs a teacher, and there is none.\nPass teacher: a model with the same inputs.',
  )
  const nowhere: Term = { ...hidden, places: { student: ['layers.0'], teacher: ['layers.7'] } }
  await refused(nowhere).toThrow(
    'The term "hidden" asks for "layers.7", which the teacher has not.\nIts places are layers.0, layers.1, layers.0.inputs, layers.1.inputs.',
  )
  await refused(nowhere).toMatchObject({ code: 'NOT_FOUND' })
  const remedy = 'Let data give { input, target }, or take a term that learns from a teacher alone.'
  await refused(answers).toThrow(`The term "answers" needs a target, and the batch has none.\n${remedy}`)
  await refused((output, { target }) => squares(tf.sub(output, target))).toMatchObject({ code: 'BAD_DATA' })
  const narrow = { ...teacher, stages: [...teacher.stages, { ...teacher.stages[1], name: 'half', run: (x: tf.Tensor) => tf.slice(x, [0, 0], [-1, 4]) }] } // prettier-ignore
  await refused(imitate, { teacher: narrow }).toThrow(
    'The term "imitate" got a teacher of 4 classes or words, and the student has 8.\nTake a teacher with the same classes, or the same vocabulary.',
  )
  await refused(imitate, { teacher: narrow }).toMatchObject({ code: 'SHAPE' })
  const broken: Term = { name: 'broken', loss: ({ student }) => tf.sum(tf.div(student.output, 0)) }
  await refused(weighted([1, imitate], [1, broken])).toThrow(/^The loss of step 1 of train is (NaN|-?Infinity), by the term "broken"\.\n/)
  await refused(weighted([1, imitate], [1, broken])).toMatchObject({ code: 'NOT_FINITE', fields: { step: 0 } })
  expect(() => weighted()).toThrow('weighted got no terms.\nPass pairs of a finite number, or a schedule, and a term.')
  expect(() => weighted([NaN, imitate])).toThrow('weighted got the weight NaN.')
  expect(tf.memory().numTensors).toBe(before)
})

it('keeps a frozen group as it is, and refuses one that selects nothing', async () => {
  await tf.setBackend('cpu')
  const teacher = picoModel({ seed: 9 })
  const transform = grouped(['layers.0.*', frozen], ['*', sgd({ learningRate: 0.1 })])
  const read = async (model: Model, name: string) => ((await model.params.read(name)) as Dense).bytes
  const result = await train(picoModel(), { ...options, teacher, transform })
  expect(await read(result, 'layers.0.weight')).toEqual(await read(picoModel(), 'layers.0.weight'))
  expect(await read(result, 'layers.1.weight')).not.toEqual(await read(picoModel(), 'layers.1.weight'))
  const none = grouped(['layers.9.*', frozen], ['*', sgd({ learningRate: 0.1 })])
  await expect(train(picoModel(), { ...options, teacher, transform: none })).rejects.toThrow(
    'The group "layers.9.*" selects nothing that is trained.\nWhat is trained and in no group before it is layers.0.weight, layers.1.weight.',
  )
  await expect(train(picoModel(), { ...options, teacher, transform: none })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  tf.dispose(decode(await result.params.read('layers.1.weight')))
})
