import * as tf from '@tensorflow/tfjs-core'
import { createRng, type Batch, type Scene, type Term } from '@tersor/core'

export interface SceneValues {
  readonly student: tf.Tensor
  readonly teacher: tf.Tensor
  readonly target?: tf.Tensor
  readonly attended?: tf.Tensor
}

/** A step whose networks make these at their outputs and at any place. */
export const sceneOf = ({ student, teacher, target, attended }: SceneValues): Scene => {
  const batch: Batch = { input: student, ...(target && { target }), ...(attended && { attended }) }
  const outputs = (output: tf.Tensor) => ({ output, at: () => output })
  return { batch, student: outputs(student), teacher: outputs(teacher), target: target ?? tf.scalar(NaN), moment: undefined as never }
}

/** What a term says of a step. */
export const lossOf = async (term: Term, values: SceneValues): Promise<number> => {
  const scene = sceneOf(values)
  const loss = tf.tidy(() => term.loss(scene, (term.init?.(scene, createRng(0)) ?? {}) as never))
  const [number] = await loss.data()
  loss.dispose()
  return number
}

/** The gradient of a term by the student's values. */
export const gradientOf = async (term: Term, values: SceneValues): Promise<number[]> => {
  const gradient = tf.tidy(() => tf.grad(student => term.loss(sceneOf({ ...values, student }), {}))(values.student))
  const numbers = [...(await gradient.data())]
  gradient.dispose()
  return numbers
}
