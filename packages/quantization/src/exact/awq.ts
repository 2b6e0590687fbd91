import * as tf from '@tensorflow/tfjs-core'
import { definePass, integer, walkStages, type Calibration, type Collector, type Scaling, type Site, type Visit } from '@tersor/core'
import {
  gram,
  lendArray,
  quadraticForm,
  roomForThreads,
  roundingErrors,
  shareNumbers,
  transpose,
  type QuadraticForm,
} from '@tersor/kernels'
import { toFloat32 } from '@tersor/tensor'
import { checkGrid, gridOf, gridOptions, type Grid } from '../rounding/grid.js'
import { applyScaling, checkScalings, distinctStats, hasScalings } from './scale-channels.js'

/** Σ XᵀX (in, in) and Σ|x| (in). */
interface Inputs {
  readonly gram: tf.Tensor2D
  readonly magnitude: tf.Tensor
  readonly [name: string]: tf.Tensor
}

const inputsOf: Calibration<Inputs> = {
  init: (site, columns) => ({ gram: gram.init(site, columns), magnitude: tf.zeros([columns]) }),
  update: (sums, x) => ({ gram: gram.update(sums.gram, x), magnitude: tf.add(sums.magnitude, tf.sum(tf.abs(x), 0)) }),
}

const SMALLEST_SCALE = 1e-4
/** Of rows whose errors are measured at once: few enough for the caches that cores share. */
const VALUES_AT_ONCE = 2 ** 21
/** a^ratio, at least 1e-4, around a geometric middle of 1; 1 for channels that no input reached. */
const scalesFor = (magnitudes: Float64Array, ratio: number): Float64Array => {
  const reached = magnitudes.filter(magnitude => magnitude > 0).map(magnitude => Math.max(magnitude ** ratio, SMALLEST_SCALE))
  if (reached.length === 0) return magnitudes.map(() => 1)
  const middle = Math.sqrt(
    reached.reduce((most, scale) => Math.max(most, scale)) * reached.reduce((least, scale) => Math.min(least, scale)),
  )
  return magnitudes.map(magnitude => (magnitude > 0 ? Math.max(magnitude ** ratio, SMALLEST_SCALE) / middle : 1))
}

const meanMagnitudes = async (seen: readonly Inputs[], samples: number): Promise<Float64Array> => {
  const sums = await Promise.all(seen.map(({ magnitude }) => magnitude.data()))
  return Float64Array.from(sums[0], (_, channel) => sums.reduce((total, sum) => total + sum[channel], 0) / samples)
}

/** A weight as (rows, columns), columns the inputs, in memory that threads share. */
interface Weight {
  readonly values: Float32Array
  readonly columns: number
}

const weightOf = async ({ weight: name, outAxis }: Site, { dense }: Visit): Promise<Weight> => {
  const parameter = await dense(name)
  const [first, second] = parameter.shape as readonly [number, number]
  const stored = toFloat32(parameter)
  if (outAxis === 0) return { values: shareNumbers(stored), columns: second }
  return { values: shareNumbers(transpose(stored, first, second)), columns: first }
}

/** Adds ‖(Q(W · s) / s − W) · X‖² for each of the scales, from XᵀX; Q rounds as `rtn` would but for the precision of scales. */
const addErrors = async (
  errors: Float64Array,
  { values, columns }: Weight,
  form: QuadraticForm,
  candidates: readonly Float32Array[],
  grid: Grid,
  signal: AbortSignal,
): Promise<void> => {
  const atOnce = grid.joint ? values.length : Math.max(1, Math.floor(VALUES_AT_ONCE / columns)) * columns
  const room = new Float32Array(roomForThreads(4 * Math.min(atOnce, values.length)))
  for (const [at, scales] of candidates.entries())
    for (let from = 0; from < values.length; from += atOnce) {
      const part = values.subarray(from, from + atOnce)
      const off = await roundingErrors(part, scales, { ...grid, columns, run: grid.group }, room.subarray(0, part.length), { signal })
      const error = tf.tidy(() => form.of(lendArray(off, [part.length / columns, columns])))
      errors[at] += (await error.data())[0]
      error.dispose()
    }
}

/** The scales of the ratio with the least error of the layers that read them. */
const search = async (
  { sites }: Scaling,
  ratios: readonly number[],
  grid: (columns: number) => Grid,
  collected: Collector,
  visit: Visit,
  signal: AbortSignal,
): Promise<Float64Array> => {
  const groups = distinctStats<Inputs>(sites, collected)
  const samples = Math.max(1, collected.of(sites[0]).samples)
  const magnitudes = await meanMagnitudes(
    groups.map(({ stats }) => stats),
    samples,
  )
  const candidates = ratios.map(ratio => scalesFor(magnitudes, ratio))
  const tried = candidates.map(scales => Float32Array.from(scales))
  const errors = new Float64Array(candidates.length)
  for (const { stats, sites: readers } of groups) {
    const form = quadraticForm(stats.gram)
    try {
      for (const site of readers) await addErrors(errors, await weightOf(site, visit), form, tried, grid(magnitudes.length), signal)
    } finally {
      form.dispose()
    }
  }
  return candidates[errors.reduce((best, error, at) => (error < errors[best] ? at : best), 0)]
}

/**
 * AWQ: scales up the input channels of weights that see large activations, so that rounding hurts them less; rounds nothing itself.
 * s = mean|x|^r / √(max · min), r of 0, 1/steps … with the least ‖(Q(W · s)/s − W) · X‖² over the layers that read the channels;
 * s goes into their columns, 1/s into the norm or linear layer before. W: (out, in), X: (tokens, in).
 * Give it the grid of the rounding that follows. Throws BAD_OPTION, NO_CALIBRATION, COMPOSITION, UNSUPPORTED. Lin et al. 2023, https://arxiv.org/abs/2306.00978
 */
export const awq = definePass({
  name: 'awq',
  summary: 'scales up channels that see large activations, so that rounding hurts them less; rounds nothing itself',
  paper: {
    title: 'AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration',
    authors: 'Lin et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2306.00978',
  },
  differs:
    'the error is that of the linear layers’ outputs, not of the block; no clipping, which is rounding; what is changed is stored as f32',
  exact: true,
  options: { ...gridOptions, steps: integer({ min: 2, default: 20, doc: 'ratios tried, from 0 up to below 1' }) },
  check: checkGrid,
  run: async (model, context, { steps, ...given }) => {
    checkScalings('awq', model)
    const ratios = Array.from({ length: steps }, (_, step) => step / steps)
    const walk = { pass: 'awq', calibrated: true, follow: 'original', visits: hasScalings } as const
    return walkStages(model, context, walk, async visit => {
      const collected = await visit.statistics(inputsOf, () => true)
      for (const scaling of visit.stage.scalings ?? []) {
        context.signal.throwIfAborted()
        await applyScaling(
          scaling,
          await search(scaling, ratios, columns => gridOf(given, columns), collected, visit, context.signal),
          visit,
        )
      }
    })
  },
})
