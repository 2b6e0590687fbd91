import * as tf from '@tensorflow/tfjs-core'
import { definePass, integer, walkStages, type Calibration, type Collector, type Scaling, type Visit } from '@tersor/core'
import { gram } from '@tersor/kernels'
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
const SMALLEST_RANGE = 1e-5

/** W rounded to nearest, as `rtn` would but for the precision of scales; (out, in). */
const rounded = (weight: tf.Tensor2D, { bits, symmetric, group, joint }: Grid): tf.Tensor2D => {
  const [rows, columns] = weight.shape
  const groups = Math.ceil(columns / group)
  const missing = groups * group - columns
  const padded = missing === 0 ? weight : tf.pad(weight, [[0, 0], [0, missing]]) // prettier-ignore
  const runs = tf.reshape(padded, joint ? [1, -1] : [rows * groups, group])
  const levels = 2 ** bits - 1
  const low = tf.minimum(tf.min(runs, 1, true), 0)
  const high = tf.maximum(tf.max(runs, 1, true), 0)
  const span = symmetric ? tf.mul(tf.maximum(tf.neg(low), high), 2) : tf.sub(high, low)
  const scale = tf.div(tf.maximum(span, SMALLEST_RANGE), levels)
  const zero = symmetric ? tf.scalar(2 ** (bits - 1)) : tf.round(tf.div(tf.neg(low), scale))
  const codes = tf.clipByValue(tf.add(tf.round(tf.div(runs, scale)), zero), 0, levels)
  const values = tf.reshape(tf.mul(tf.sub(codes, zero), scale), [rows, columns + missing])
  return (missing === 0 ? values : tf.slice(values, [0, 0], [rows, columns])) as tf.Tensor2D
}

/** ‖(Q(W · s) / s − W) · X‖² from XᵀX. */
const errorOf = (weight: tf.Tensor2D, moments: tf.Tensor, scales: tf.Tensor, grid: Grid): tf.Tensor => {
  const off = tf.sub(tf.div(rounded(tf.mul(weight, scales), grid), scales), weight)
  return tf.sum(tf.mul(tf.matMul(off as tf.Tensor2D, moments as tf.Tensor2D), off))
}

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

/** The scales of the ratio with the least error of the layers that read them. */
const search = async (
  { sites }: Scaling,
  ratios: readonly number[],
  grid: (columns: number) => Grid,
  collected: Collector,
  { dense }: Visit,
): Promise<Float64Array> => {
  const groups = distinctStats<Inputs>(sites, collected)
  const samples = Math.max(1, collected.of(sites[0]).samples)
  const magnitudes = await meanMagnitudes(
    groups.map(({ stats }) => stats),
    samples,
  )
  const candidates = ratios.map(ratio => scalesFor(magnitudes, ratio))
  const errors = new Float64Array(candidates.length)
  for (const { stats, sites: readers } of groups) {
    for (const { weight: name, outAxis } of readers) {
      const parameter = await dense(name)
      const weight = tf.tidy(() => {
        const stored = tf.tensor2d(toFloat32(parameter), parameter.shape as [number, number])
        return outAxis === 0 ? stored : (tf.transpose(stored) as tf.Tensor2D)
      })
      try {
        for (const [at, scales] of candidates.entries()) {
          const error = tf.tidy(() => errorOf(weight, stats.gram, tf.tensor1d(Float32Array.from(scales)), grid(magnitudes.length)))
          errors[at] += (await error.data())[0]
          error.dispose()
        }
      } finally {
        weight.dispose()
      }
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
        await applyScaling(scaling, await search(scaling, ratios, columns => gridOf(given, columns), collected, visit), visit)
      }
    })
  },
})
