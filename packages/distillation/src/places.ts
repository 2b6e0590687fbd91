import * as tf from '@tensorflow/tfjs-core'
import { optional, text, type Scene, type Term } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

/** Where in student and teacher a term looks; both at their outputs where absent. */
export const PLACES = {
  student: optional(text({ doc: 'a place in the student, such as the name of a stage; its output where absent' })),
  teacher: optional(text({ doc: 'a place in the teacher; its output where absent' })),
} as const

interface Placed {
  readonly student: string | undefined
  readonly teacher: string | undefined
}

/** What a term of these options asks for. */
export const askingFor = ({ student, teacher }: Placed): Pick<Term, 'taught' | 'places'> => ({
  taught: true,
  places: { student: student === undefined ? [] : [student], teacher: teacher === undefined ? [] : [teacher] },
})

/** The two tensors. */
export const pairAt = (scene: Scene, { student, teacher }: Placed): readonly [student: tf.Tensor, teacher: tf.Tensor] => [
  student === undefined ? scene.student.output : scene.student.at(student),
  teacher === undefined ? scene.teacher.output : scene.teacher.at(teacher),
]

/** Refuses tensors that differ in more than their last axis. Throws SHAPE. */
export const sameButChannels = (term: string, student: tf.Tensor, teacher: tf.Tensor): void => {
  if (String(student.shape.slice(0, -1)) === String(teacher.shape.slice(0, -1))) return
  throw new CompressionError(
    'SHAPE',
    `The term "${term}" compares [${student.shape}] of the student with [${teacher.shape}] of the teacher.`,
    'Choose places of one size: all but the channels must agree.',
    { term, student: student.shape, teacher: teacher.shape },
  )
}

/** One vector for each sample: (batch, …) → (batch, numbers). */
export const embedded = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [x.shape[0], -1])

/** √x whose gradient is a number at 0 too. */
export const rootOf = (x: tf.Tensor): tf.Tensor => tf.sqrt(tf.maximum(x, 1e-12))

/** x / ‖x‖₂ along the last axis. */
export const normalized = (x: tf.Tensor): tf.Tensor => tf.div(x, rootOf(tf.sum(tf.square(x), -1, true)))
