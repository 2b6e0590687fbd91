import * as tf from '@tensorflow/tfjs-core'
import {
  affineAt,
  defineParametrization,
  integer,
  optional,
  roundScale,
  scaleDTypeOf,
  type Grid,
  type Lines,
  type ParametrizationBody,
  type TrainingState,
} from '@tersor/core'
import { scaleGradient } from '@tersor/kernels/through'
import type { Encoded } from '@tersor/tensor'
import { checkGrid, gridOf, gridOptions } from '../rounding/grid.js'
import { between, gridBeside, levelsFor, rounded, signedLevels, SMALLEST, type Levels } from './steps.js'

/**
 * s · round(clip(v / s, low, high)), whose gradient by s is low, high, or round(v / s) − v / s, times 1 / √(share · high); `share` numbers of
 * v to a step. v and s broadcast.
 */
export const onSteps = (v: tf.Tensor, step: tf.Tensor, levels: Levels, share: number): tf.Tensor => {
  const s = scaleGradient(tf.maximum(step, SMALLEST), tf.rsqrt(tf.mul(levels.high, share)))
  return tf.mul(rounded(between(tf.div(v, s), levels)), s)
}

/** Where a step of weights begins: 2 ⟨|v|⟩ / √high. */
const firstStep = (size: tf.Tensor, high: number): tf.Tensor => tf.maximum(tf.div(tf.mul(size, 2), tf.sqrt(high)), SMALLEST)

/** (out, in) → (out, groups, columns of a group), zeros behind the last. */
const inGroups = (weight: tf.Tensor, group: number): tf.Tensor3D => {
  const [rows, columns] = weight.shape
  const groups = Math.ceil(columns / group)
  return tf.reshape(tf.pad(weight as tf.Tensor2D, [[0, 0], [0, groups * group - columns]]), [rows, groups, group]) // prettier-ignore
}

/** The means of |w| of all that share a step, (out or 1, groups). */
const sizesOf = (weight: tf.Tensor, { group, joint }: Grid): tf.Tensor => {
  if (joint) return tf.reshape(tf.mean(tf.abs(weight)), [1, 1])
  return tf.div(tf.sum(inGroups(tf.abs(weight), group), 2), tf.sum(inGroups(tf.onesLike(weight), group), 2))
}

const onGrid = (weight: tf.Tensor, step: tf.Tensor, { bits, group, joint }: Grid): tf.Tensor => {
  const [rows, columns] = weight.shape
  const { low, high } = signedLevels(bits)
  const share = joint ? weight.size : Math.min(group, columns)
  const made = onSteps(inGroups(weight, group), tf.expandDims(step, 2), { low: tf.scalar(low), high: tf.scalar(high) }, share)
  return tf.slice(tf.reshape(made, [rows, -1]), [0, 0], [rows, columns])
}

/** Codes for the steps as they are stored, which may be halves. */
const stored = async (weight: tf.Tensor, step: tf.Tensor, grid: Grid): Promise<Encoded> => {
  const [values, steps] = [await weight.data<'float32'>(), await step.data<'float32'>()]
  const [rows, columns] = weight.shape
  const scaleDType = scaleDTypeOf(steps)
  const scales = Float32Array.from(steps, each => roundScale(Math.max(each, SMALLEST), scaleDType))
  const middle = 2 ** (grid.bits - 1)
  const lines: Lines = { scales, scaleDType, zeros: new Float32Array(scales.length).fill(middle) }
  return affineAt(values, lines, [rows, columns], grid)
}

/** How many steps are tried for inputs, from a part of the largest on. */
const TRIED = 20

/** Of some steps the one whose grid is nearest to x, in squares: with few bits it lies well below the largest input, which is rare. */
const nearestStep = (x: tf.Tensor, levels: Levels): tf.Tensor => {
  const largest = tf.maximum(tf.div(tf.max(tf.abs(x)), levels.high), SMALLEST)
  const steps = tf.mul(tf.div(tf.range(1, TRIED + 1), TRIED), largest)
  const errorAt = (step: tf.Tensor): tf.Tensor =>
    tf.tidy(() => tf.mean(tf.squaredDifference(x, tf.mul(tf.round(between(tf.div(x, step), levels)), step))))
  return tf.gather(steps, tf.argMin(tf.stack(tf.unstack(steps).map(errorAt))))
}

/** What is learned of inputs of so many bits. */
const learnedInputs = (bits: number): Pick<ParametrizationBody<TrainingState>, 'frozen' | 'sees' | 'input'> => ({
  frozen: ['inputLow', 'inputHigh'],
  sees: x => {
    const least = tf.min(x)
    return tf.stack([nearestStep(x, levelsFor(least, bits)), least])
  },
  input: ({ inputStep, inputLow, inputHigh }, x) => onSteps(x, inputStep, { low: inputLow, high: inputHigh }, x.size / x.shape[0]),
})

/** Its tensors at the beginning, from the step and the least of a first batch. */
const firstInputs = (seen: tf.Tensor, bits: number): TrainingState => {
  const [step, least] = tf.unstack(seen)
  const { low, high } = levelsFor(least, bits)
  return { inputStep: step, inputLow: low, inputHigh: high }
}

/**
 * LSQ: weights on a grid whose step is learned with them.
 * ŵ = s · round(clip(w / s, −2^(b−1), 2^(b−1) − 1)), W: (out, in); ∂ŵ/∂s = round(w / s) − w / s within the clip, and the end of it outside,
 * times 1 / √(count · (2^(b−1) − 1)); inputs likewise, of 0 … 2^b − 1 where none is below 0. Stored as codes, inputs as grids.
 * Throws BAD_OPTION. Esser et al. 2019, https://arxiv.org/abs/1902.08153
 */
export const lsq = defineParametrization({
  name: 'lsq',
  summary: 'trains weights on a grid whose step is learned with them',
  paper: { title: 'Learned Step Size Quantization', authors: 'Esser et al.', year: 2019, url: 'https://arxiv.org/abs/1902.08153' },
  differs:
    'steps may be shared by rows or groups of columns; those of inputs begin where the grid is nearest to a first batch, in squares, as in LSQ+ (Bhalgat et al. 2020, https://arxiv.org/abs/2004.09576)',
  options: {
    bits: integer({ min: 2, max: 8, default: 4, doc: 'bits of a code' }),
    inputs: optional(
      integer({ min: 2, max: 8, doc: 'bits of the inputs of a site, whose step is learned too; they stay as they are where absent' }),
    ),
    granularity: { ...gridOptions.granularity, default: 'tensor' as const, doc: 'weights that share a step' },
    group: gridOptions.group,
  },
  check: options => checkGrid({ ...options, symmetric: true }),
  make: ({ bits, inputs, granularity, group }) => {
    const gridFor = (columns: number): Grid => gridOf({ bits, symmetric: true, granularity, group }, columns)
    return {
      ...(inputs === undefined ? {} : learnedInputs(inputs)),
      init: (weight, { seen }): TrainingState => {
        const step = firstStep(sizesOf(weight, gridFor(weight.shape[1]!)), signedLevels(bits).high)
        return { weight, step, ...(inputs !== undefined && seen && firstInputs(seen, inputs)) }
      },
      weight: ({ weight, step }) => onGrid(weight, step, gridFor(weight.shape[1]!)),
      finish: async ({ weight, step, inputStep, inputLow }, place) => {
        const made = await stored(weight, step, gridFor(weight.shape[1]!))
        if (inputs === undefined || !inputStep) return made
        return { weight: made, beside: await gridBeside(place, inputs, inputStep, { low: inputLow }) }
      },
    }
  },
})
