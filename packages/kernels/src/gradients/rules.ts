import type * as tf from '@tensorflow/tfjs-core'

/** One registered gradient, with the attributes as tfjs hands them over. */
export interface GradientRule {
  readonly inputs?: readonly string[]
  readonly outputs?: readonly boolean[]
  readonly allInputs?: boolean
  readonly gradient: (dy: any, saved: any, attributes: any) => Record<string, () => tf.Tensor>
}

export type GradientTable = Readonly<Record<string, GradientRule>>
