import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import {
  adam,
  compress,
  crossEntropy,
  forward,
  loadModel,
  pipeline,
  train,
  type Model,
  type Rng,
  type Term,
  type WeightedTerms,
} from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { freshModel } from '@tersor/models'
import { describePass } from '@tersor/testing'
import { ernieTiny, ernieTinyStages, type ErnieTinyOptions } from './ernie-tiny.js'

const CLASSES = 3
const bert = (hidden: number, layers: number, seed: number): Model =>
  freshModel(
    {
      ...{ model_type: 'bert', architectures: ['BertForSequenceClassification'], num_labels: CLASSES, vocab_size: 24 },
      ...{
        max_position_embeddings: 8,
        hidden_size: hidden,
        intermediate_size: 2 * hidden,
        num_hidden_layers: layers,
        num_attention_heads: 2,
      },
    },
    { seed, deviation: 0.1 },
  )
const blocks = (layers: number) => ({
  stages: Array.from({ length: layers }, (_, layer) => `bert.encoder.layer.${layer}`),
  attention: 'attention.self',
})

const ids = (rng: Rng, rows: number): number[] => Array.from({ length: rows * 6 }, () => rng.integer(24))
/** Texts, and texts of a class: the first token's remainder. */
const dataOf = (rows: number): ErnieTinyOptions['data'] => ({
  general: (_step, rng) => ({ input: tf.tensor2d(Int32Array.from(ids(rng, rows)), [rows, 6], 'int32') }),
  task: (_step, rng) => {
    const words = ids(rng, rows)
    const target = Int32Array.from({ length: rows }, (_, row) => words[6 * row] % CLASSES)
    return { input: tf.tensor2d(Int32Array.from(words), [rows, 6], 'int32'), target: tf.tensor1d(target, 'int32') }
  },
})
const TEACHERS = { pretrained: bert(8, 2, 1), tuned: bert(8, 2, 2) }
const FEW = dataOf(2)

const options = (more: Partial<ErnieTinyOptions> = {}): ErnieTinyOptions => ({
  ...{ teachers: TEACHERS, data: FEW, blocks: { student: blocks(1), teacher: blocks(2) }, steps: 2, ...more },
})
const inputs = (): tf.Tensor[] => [tf.tensor2d(Int32Array.from({ length: 12 }, (_, i) => (5 * i) % 24), [2, 6], 'int32')] // prettier-ignore

describePass(() => ernieTiny(options())[3], { model: () => bert(4, 1, 3), calibration: inputs })

it('changes exactly one of teacher, data and objective from stage to stage', () => {
  const stages = ernieTinyStages(options())
  expect(stages.map(({ name }) => name)).toEqual([
    'general-distillation',
    'general-enhanced-distillation',
    'task-adaptive-distillation',
    'task-specific-distillation',
  ])
  const changed = stages.slice(1).map((stage, at) => (['teacher', 'data', 'objective'] as const).filter(part => stage[part] !== stages[at][part])) // prettier-ignore
  expect(changed).toEqual([['teacher'], ['data'], ['objective']])
})

it('learns each block from the one as deep in the teacher', () => {
  const { objective } = ernieTinyStages(options({ blocks: { student: blocks(2), teacher: blocks(6) } }))[0]
  const pairs = (objective as WeightedTerms).terms.map(([, term]) => {
    const { places } = term as Term
    return [places?.student?.[0], places?.teacher?.[0]]
  })
  expect(pairs).toEqual([
    ['bert.encoder.layer.0.attention.self.shares', 'bert.encoder.layer.2.attention.self.shares'],
    ['bert.encoder.layer.0', 'bert.encoder.layer.2'],
    ['bert.encoder.layer.1.attention.self.shares', 'bert.encoder.layer.5.attention.self.shares'],
    ['bert.encoder.layer.1', 'bert.encoder.layer.5'],
  ])
})

it('teaches a student the task', async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  const data = dataOf(24) // a step costs as much as with a few, and so many teach in a third of the steps
  const tuned = await train(TEACHERS.tuned, {
    objective: crossEntropy,
    transform: adam({ learningRate: 0.03 }),
    data: data.task,
    steps: 20,
  })
  const passes = ernieTiny(options({ teachers: { pretrained: TEACHERS.tuned, tuned }, data, steps: 10, rate: 0.04 }))
  const student = await compress(bert(8, 1, 3), pipeline(...passes), { seed: 1 })
  const texts = Array.from({ length: 24 }, (_, word) => [word, 1, 2, 3, 4, 5])
  const { weights, dispose } = await loadModel(student)
  const answers = tf.tidy(() => tf.argMax(forward(student, tf.tensor2d(texts, [24, 6], 'int32'), { weights }), -1)) // prettier-ignore
  const right = [...(await answers.data())].filter((answer, word) => answer === word % CLASSES).length
  answers.dispose()
  dispose()
  expect(right).toBeGreaterThan(16) // of 24; 8 by chance
  expect(student.provenance?.map(({ method }) => method)).toEqual(passes.map(({ name }) => name))
  await tf.setBackend('cpu')
})

it('checks its options when it is called', () => {
  const of = (more: Partial<ErnieTinyOptions>) => () => ernieTiny(options(more))
  expect(of({ blocks: { student: blocks(3), teacher: blocks(2) } })).toThrow(
    'ernieTiny: 3 blocks of the student learn from 2 of the teacher.\nName one at least, and no more than the teacher has.',
  )
  expect(of({ steps: 0 })).toThrow('ernieTiny: steps is 0.\nPass an integer of at least 1.')
  expect(of({ rate: -1 })).toThrow('ernieTiny: rate is -1.\nPass a number above 0.')
  expect(of({ labels: NaN })).toThrow('ernieTiny: labels is NaN.\nPass a number above 0.')
})
