import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import { CompressionError } from '@tersor/tensor'
import { disposeBackward, tensorsOf, type Backward } from './backward.js'
import { jointNorm } from './joint-norm.js'
import type { Clock } from './moment.js'

/** In which way loss and gradients are made once more. */
export interface Variation<B> {
  /** Of another batch, which its maker frees. */
  readonly batch?: B
  /** With these added to what is trained, in its order; the caller frees them. */
  readonly shift?: readonly tf.Tensor[]
}

export interface PlanRun<B> {
  /** Freed by the trainer. */
  readonly batch: B
  readonly clock: Clock
  /** Loss and gradients at the trained values as they are, or varied; the caller frees them. */
  of(variation?: Variation<B>): Promise<Backward>
}

/** How the gradients of a step come about. */
export interface Plan<B extends object = any> {
  readonly name: string
  step(run: PlanRun<B>): Promise<Backward>
}

/** One pass over the batch. */
export const once: Plan = Object.freeze<Plan>({ name: 'once', step: run => run.of() })

/** Means of losses and gradients of parts of the same size; what they were made of is freed. */
const meanOf = (parts: readonly Backward[]): Backward => {
  const mean = (tensors: readonly tf.Tensor[]): tf.Tensor => tf.tidy(() => tf.div(addTensors(tensors), tensors.length))
  const loss = mean(parts.map(part => part.loss)) as tf.Scalar
  const gradients = parts[0].gradients.map((_, i) => mean(parts.map(part => part.gradients[i])))
  parts.forEach(part => disposeBackward({ ...part, told: [] }))
  return { loss, gradients, told: parts.flatMap(({ told }) => told) }
}

/** The rows of a batch from one part of it to the next. */
const partOf = <B extends object>(batch: B, part: number, count: number): B => {
  const sliced = tensorsOf(batch).map(([name, tensor]) => {
    const rows = tensor.shape[0] ?? 0
    if (rows % count !== 0 || rows === 0) {
      throw new CompressionError(
        'BAD_DATA',
        `accumulated(${count}) got a batch whose ${name} is [${tensor.shape}].`,
        `Make batches of a multiple of ${count} rows.`,
        { rows, count },
      )
    }
    return [name, tf.slice(tensor, part * (rows / count), rows / count)] as const
  })
  return { ...batch, ...Object.fromEntries(sliced) }
}

/**
 * Makes the gradients of a batch from so many parts of it, one after the other: the mean over parts, with the memory of one.
 * Throws BAD_OPTION, and BAD_DATA for a batch whose rows do not divide.
 */
export const accumulated = (count: number, inner: Plan = once): Plan => {
  if (!Number.isInteger(count) || count < 1)
    throw new CompressionError('BAD_OPTION', `accumulated got a count of ${count}.`, 'Pass a positive integer: the parts of a batch.')
  return Object.freeze<Plan>({
    name: `accumulated(${inner.name})`,
    step: async run => {
      const parts: Backward[] = []
      try {
        for (let at = 0; at < count; at++) {
          const batch = tf.tidy(() => partOf(run.batch, at, count))
          try {
            parts.push(await inner.step({ ...run, batch, of: variation => run.of({ batch, ...variation }) }))
          } finally {
            tf.dispose(tensorsOf(batch).map(([, tensor]) => tensor))
          }
        }
      } catch (error) {
        parts.forEach(disposeBackward)
        throw error
      }
      return meanOf(parts)
    },
  })
}

/**
 * Sharpness-aware minimization: takes the gradient where the loss is largest nearby, at θ + ρ g / ‖g‖₂ with g the gradient at θ; each step
 * costs two. Throws BAD_OPTION. Foret et al. 2020, https://arxiv.org/abs/2010.01412
 */
export const sharpness = (radius: number, inner: Plan = once): Plan => {
  if (!(radius > 0))
    throw new CompressionError('BAD_OPTION', `sharpness got a radius of ${radius}.`, 'Pass a number above 0, such as 0.05.')
  return Object.freeze<Plan>({
    name: `sharpness(${inner.name})`,
    step: async run => {
      const { norm, gradients, ...here } = await inner.step(run)
      const shift = tf.tidy(() => {
        const scale = tf.div(radius, tf.add(norm ?? jointNorm(gradients), 1e-12))
        return gradients.map(gradient => tf.mul(gradient, scale))
      })
      tf.dispose(norm ? [norm, ...gradients] : [...gradients])
      try {
        const { loss, told, ...there } = await inner.step({ ...run, of: variation => run.of({ shift, ...variation }) })
        disposeBackward({ loss, told, gradients: [] })
        return { ...here, ...there }
      } catch (error) {
        disposeBackward({ ...here, gradients: [] })
        throw error
      } finally {
        tf.dispose(shift)
      }
    },
  })
}
