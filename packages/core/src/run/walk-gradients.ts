import * as tf from '@tensorflow/tfjs-core'
import type { Model, Stage } from '../model/model.js'
import type { Context } from '../step/method.js'
import { crossEntropy } from '../train/losses.js'
import { answersOf } from './answers.js'
import { walkBack, type BackOptions } from './walk-back.js'

/** The mean over batches of the gradient of one parameter, and what it stands for; both the walk's. */
export type VisitGradient = (name: string, gradient: tf.Tensor, weight: tf.Tensor) => Promise<void> | void

/** What a loss says of a batch: its gradient by what the network answered, of the answer's shape; made in a tidy. */
export type OutputGradient = (answer: { readonly input: tf.Tensor; readonly output: tf.Tensor; readonly batch: number }) => tf.Tensor

/** Which loss gradients are of. */
export interface GradientOptions {
  /** The class of each input, in order, of which the cross-entropy is taken. */
  readonly labels?: readonly number[] | undefined
  /** Another loss by its gradient, in the place of cross-entropy. */
  readonly of?: OutputGradient | undefined
}

/** Sums by parameter; those that earlier stages read too wait for these. */
const gradientSums = (stages: readonly Stage[]) => {
  const sums = new Map<string, tf.Tensor>()
  const isDone = (name: string, at: number): boolean => stages.every(({ parameters }, i) => i >= at || !parameters.includes(name))
  return {
    add: (name: string, gradient: tf.Tensor): void => {
      const before = sums.get(name)
      sums.set(name, before ? tf.add(before, gradient) : tf.clone(gradient))
      before?.dispose()
    },
    take: (at: number): readonly (readonly [string, tf.Tensor])[] => {
      const done = [...sums].filter(([name]) => isDone(name, at))
      done.forEach(([name]) => sums.delete(name))
      return done
    },
    dispose: (): void => sums.forEach(sum => sum.dispose()),
  }
}

/** What is pulled back of each batch: the gradient of cross-entropy, or what the caller gives. */
const beginning = (model: Model, step: string, { labels, of }: GradientOptions): Pick<BackOptions, 'begin' | 'begun'> => {
  let batch = 0
  if (of) return { begin: (input, output) => of({ input, output, batch: batch++ }) }
  const answers = answersOf(model, step, labels)
  const begin = (input: tf.Tensor, output: tf.Tensor): tf.Tensor => {
    const target = answers.of(input, output)
    return tf.grad(y => crossEntropy(y, { input, target }))(output)
  }
  return { begin, begun: answers.end }
}

/**
 * Gradients of a mean loss over calibration, stage by stage from the last to the first: of the cross-entropy of the labels where some are given,
 * of next tokens for text, of the network's own answers for all else, or of what `of` gives as the loss's gradient. Memory is that of `walkBack`.
 * Visits every float parameter that a stage reads, once. Throws NO_CALIBRATION; UNSUPPORTED where no gradients pass, and cross-entropy of hidden
 * states; BAD_DATA for labels that do not fit.
 */
export const walkGradients = async (
  model: Model,
  step: string,
  context: Pick<Context, 'calibration' | 'activations' | 'signal'>,
  visit: VisitGradient,
  options: GradientOptions = {},
): Promise<void> => {
  const sums = gradientSums(model.stages)
  try {
    await walkBack(model, step, context, beginning(model, step, options), async ({ stage, index, inputs, weights, pull }) => {
      const names = [...new Set(stage.parameters)].filter(name => weights(name).dtype === 'float32')
      await pull(names, gradients => names.forEach((name, i) => sums.add(name, gradients[i])))
      for (const [name, sum] of sums.take(index)) {
        const mean = tf.div(sum, inputs.count)
        sum.dispose()
        try {
          await visit(name, mean, weights(name))
        } finally {
          mean.dispose()
        }
      }
    })
  } finally {
    sums.dispose()
  }
}
