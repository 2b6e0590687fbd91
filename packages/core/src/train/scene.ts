import type * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { forward } from '../model/load.js'
import type { Env, Model } from '../model/model.js'
import type { Batch } from './losses.js'
import type { Moment } from './moment.js'
import type { Outputs, Scene, Term, WeightedTerm } from './objective.js'

/** The two networks of a training, in messages. */
type Role = 'student' | 'teacher'

/** Runs a network and keeps what it makes at some places. */
export const outputsOf = (
  model: Pick<Model, 'stages'>,
  batch: Batch,
  env: Env,
  wanted: ReadonlySet<string>,
  moment: Moment,
): { readonly output: tf.Tensor; readonly kept: ReadonlyMap<string, tf.Tensor>; readonly seen: readonly string[] } => {
  const kept = new Map<string, tf.Tensor>()
  const seen: string[] = []
  const probe: Env['probe'] = (place, value) => {
    seen.push(place)
    if (wanted.has(place)) kept.set(place, moment.hold(value()))
  }
  const output = forward(model, batch.input, {
    ...env,
    ...(batch.attended && { attended: batch.attended }),
    ...(wanted.size > 0 && { probe }),
  })
  return { output, kept, seen }
}

/** What the terms ask to be kept of a network. */
export const placesOf = (terms: readonly WeightedTerm[], role: Role): ReadonlySet<string> =>
  new Set(terms.flatMap(({ term }) => term.places?.[role] ?? []))

/** Stages and modules before what their sites multiply. */
const listOf = (seen: readonly string[]): string => {
  const isInputs = (place: string): boolean => place.endsWith('.inputs')
  const ordered = [...seen.filter(place => !isInputs(place)), ...seen.filter(isInputs)]
  return `${ordered.slice(0, 6).join(', ')}${seen.length > 6 ? ` … (${seen.length})` : ''}`
}

const noPlace = (term: string, role: Role, place: string, seen: readonly string[]): CompressionError =>
  new CompressionError(
    'NOT_FOUND',
    `The term "${term}" asks for "${place}", which the ${role} has not.`,
    `Its places are ${listOf(seen)}.`,
    { term, place, role },
  )

const shownTo = (term: Term, role: Role, { output, kept, seen }: ReturnType<typeof outputsOf>): Outputs => ({
  output,
  at: place => {
    const value = kept.get(place)
    if (value) return value
    throw noPlace(term.name, role, place, seen)
  },
})

/** A step as a term sees it; throws NOT_FOUND for a place that a network has not. */
export const sceneFor = (
  term: Term,
  batch: Batch,
  student: ReturnType<typeof outputsOf>,
  teacher: ReturnType<typeof outputsOf> | undefined,
  moment: Moment,
): Scene => {
  const networks = { student, teacher }
  for (const role of ['student', 'teacher'] as const) {
    const network = networks[role]
    const missing = network && term.places?.[role]?.find(place => !network.kept.has(place))
    if (missing !== undefined) throw noPlace(term.name, role, missing, network?.seen ?? [])
  }
  return {
    batch,
    moment,
    student: shownTo(term, 'student', student),
    get target() {
      if (batch.target) return batch.target
      throw new CompressionError(
        'BAD_DATA',
        `The term "${term.name}" needs a target, and the batch has none.`,
        'Let data give { input, target }, or take a term that learns from a teacher alone.',
        { term: term.name },
      )
    },
    get teacher() {
      if (teacher) return shownTo(term, 'teacher', teacher)
      throw noTeacher(term)
    },
  }
}

const noTeacher = ({ name }: Term): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `The term "${name}" needs a teacher, and there is none.`,
    'Pass teacher: a model with the same inputs.',
    {
      term: name,
    },
  )

const isTaught = ({ term }: WeightedTerm): boolean => (term.taught ?? false) || (term.places?.teacher ?? []).length > 0

/** Whether a teacher has to run for them. */
export const needsTeacher = (terms: readonly WeightedTerm[]): boolean => terms.some(isTaught)

/** Throws BAD_OPTION for terms that need a teacher where there is none. */
export const checkTeacher = (terms: readonly WeightedTerm[], teacher: Model | undefined): void => {
  const untaught = teacher ? undefined : terms.find(isTaught)
  if (untaught) throw noTeacher(untaught.term)
}

/** The outputs of both networks, which must stand for the same classes or words: (…, classes). Throws SHAPE. */
export const sameClasses = (term: string, { student, teacher }: Scene): readonly [student: tf.Tensor, teacher: tf.Tensor] => {
  const [own, taught] = [student.output, teacher.output]
  if (String(own.shape) === String(taught.shape)) return [own, taught]
  const [classes, others] = [own.shape.at(-1), taught.shape.at(-1)]
  throw new CompressionError(
    'SHAPE',
    classes === others
      ? `The term "${term}" got outputs [${own.shape}] of the student and [${taught.shape}] of the teacher.`
      : `The term "${term}" got a teacher of ${others} classes or words, and the student has ${classes}.`,
    'Take a teacher with the same classes, or the same vocabulary.',
    { term, student: own.shape, teacher: taught.shape },
  )
}
