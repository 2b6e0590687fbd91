import {
  adam,
  chain,
  clip,
  crossEntropy,
  trainIn,
  warmupCosine,
  weighted,
  type Model,
  type Objective,
  type Pass,
  type Term,
  type TrainOptions,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { fitNets } from './fit-nets.js'
import { sharesDivergence } from './mini-lm.js'
import { softLabels } from './soft-labels.js'

/** For the student and for both teachers, which are of one architecture. */
export interface Blocks {
  /** Names of stages, from the first block to the last: "bert.encoder.layer.0" … */
  readonly stages: readonly string[]
  /** What stands behind a stage's name in that of its attention module: "attention.self". */
  readonly attention: string
}

export interface ErnieTinyOptions {
  /** Trained on general data, and trained further for the task. */
  readonly teachers: { readonly pretrained: Model; readonly tuned: Model }
  /** Batches of general data, whose targets nobody asks for, and of the task. */
  readonly data: { readonly general: TrainOptions['data']; readonly task: TrainOptions['data'] }
  readonly blocks: { readonly student: Blocks; readonly teacher: Blocks }
  /** Steps of each stage; 200 where absent. */
  readonly steps?: number
  /** Learning rate of Adam at its peak, which each stage climbs and falls from anew; 1e-4 where absent. */
  readonly rate?: number
  /** Before soft and hard labels in the last stage; 1 where absent. */
  readonly labels?: number
}

/** A stage as data: what teaches, on what, and what is to be small. */
export interface DistillationStage {
  readonly name: string
  readonly teacher: Model
  readonly data: TrainOptions['data']
  readonly objective: Objective
}

const checkOptions = ({ blocks: { student, teacher }, steps = 200, rate = 1e-4, labels = 1 }: ErnieTinyOptions): void => {
  const refuse = (what: string, remedy: string): never => {
    throw new CompressionError('BAD_OPTION', `ernieTiny: ${what}`, remedy)
  }
  const [few, many] = [student.stages.length, teacher.stages.length]
  if (few === 0 || few > many)
    refuse(`${few} blocks of the student learn from ${many} of the teacher.`, 'Name one at least, and no more than the teacher has.')
  if (!Number.isInteger(steps) || steps < 1) refuse(`steps is ${steps}.`, 'Pass an integer of at least 1.')
  if (!(rate > 0 && Number.isFinite(rate))) refuse(`rate is ${rate}.`, 'Pass a number above 0.')
  if (!(labels > 0 && Number.isFinite(labels))) refuse(`labels is ${labels}.`, 'Pass a number above 0.')
}

/** KL of where an attention block looks. */
const shares = (student: string, teacher: string): Term => ({
  name: 'ernie-tiny',
  places: { student: [`${student}.shares`], teacher: [`${teacher}.shares`] },
  loss: scene => sharesDivergence('ernie-tiny', scene.batch, scene.student.at(`${student}.shares`), scene.teacher.at(`${teacher}.shares`)),
})

/** The sum over the student's blocks j of KL(A_t ‖ A_s) + ½ mean (t − s P)², each learning from the teacher's block j · L_t / L_s, counted from 1. */
const latent = ({ student, teacher }: ErnieTinyOptions['blocks']): Objective =>
  weighted(
    ...student.stages.flatMap((own, at) => {
      const taught = teacher.stages[Math.round(((at + 1) * teacher.stages.length) / student.stages.length) - 1]
      const attention = shares(`${own}.${student.attention}`, `${taught}.${teacher.attention}`)
      return [[1, attention] as const, [1, fitNets({ student: own, teacher: taught })] as const]
    }),
  )

/**
 * The stages of ERNIE-Tiny: from one to the next exactly one of teacher, data and objective changes, from the general to the task's.
 * Throws BAD_OPTION.
 */
export const ernieTinyStages = (options: ErnieTinyOptions): readonly DistillationStage[] => {
  checkOptions(options)
  const { teachers, data, blocks, labels = 1 } = options
  const inside = latent(blocks)
  const specific = weighted([1, inside], [labels, softLabels({ temperature: 1 })], [labels, crossEntropy])
  return [
    { name: 'general-distillation', teacher: teachers.pretrained, data: data.general, objective: inside },
    { name: 'general-enhanced-distillation', teacher: teachers.tuned, data: data.general, objective: inside },
    { name: 'task-adaptive-distillation', teacher: teachers.tuned, data: data.task, objective: inside },
    { name: 'task-specific-distillation', teacher: teachers.tuned, data: data.task, objective: specific },
  ]
}

/**
 * ERNIE-Tiny: the passes of four stages of distillation, which go on from each other: `compress(student, pipeline(...ernieTiny(options)))`.
 * Σ_blocks KL(A_t ‖ A_s) + ½ mean (t − s P)², and in the last stage + KL(softmax t ‖ softmax s) + cross entropy; reconstructed from the abstract.
 * Throws BAD_OPTION, and while it runs what `train` throws. Su et al. 2021, https://arxiv.org/abs/2106.02241
 */
export const ernieTiny = (options: ErnieTinyOptions): readonly Pass[] => {
  const { steps = 200, rate = 1e-4 } = options
  return ernieTinyStages(options).map(({ name, ...stage }) =>
    Object.freeze<Pass>({
      ...{ kind: 'pass', name, options: { steps, rate } },
      run: (model, context) => {
        const learningRate = warmupCosine({ peak: rate, warmup: Math.ceil(steps / 20), steps })
        return trainIn(context, name, model, { ...stage, steps, transform: chain(clip({ norm: 1 }), adam({ learningRate })) })
      },
    }),
  )
}
