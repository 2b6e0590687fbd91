import { CompressionError } from '@tersor/tensor'

/** A number as a function of the step, such as a learning rate or the weight of a term. */
export type Schedule = (step: number) => number

/** What a schedule, or a number that stays, is at a step. */
export const valueAt = (value: number | Schedule, step: number): number => (typeof value === 'number' ? value : value(step))

const refuse = (name: string, option: string, got: unknown, remedy: string): never => {
  throw new CompressionError('BAD_OPTION', `${name} got ${option} = ${JSON.stringify(got)}.`, remedy, { option, got })
}

const checkPeak = (name: string, { peak, steps }: { readonly peak: number; readonly steps: number }): void => {
  if (!Number.isFinite(peak)) refuse(name, 'peak', peak, 'Pass the number to begin with.')
  if (!Number.isInteger(steps) || steps < 1) refuse(name, 'steps', steps, 'Pass the number of steps, a positive integer.')
}

/** How far a step is on the way from 0 to 1. */
const progressOf = (step: number, steps: number): number => Math.min(1, Math.max(0, step / steps))

/**
 * Warms up linearly, then falls along half a cosine to `floor · peak`.
 * Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983
 */
export const warmupCosine = ({
  peak,
  warmup,
  steps,
  floor = 0.1,
}: {
  peak: number
  warmup: number
  steps: number
  floor?: number
}): Schedule => {
  return step => {
    if (step < warmup) return (peak * (step + 1)) / warmup
    const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup))
    return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)))
  }
}

/** Falls on a line from `peak` to 0 at step `steps`: peak · (1 − t / steps). Throws BAD_OPTION. */
export const linearDecay = (options: { readonly peak: number; readonly steps: number }): Schedule => {
  checkPeak('linearDecay', options)
  return step => options.peak * (1 - progressOf(step, options.steps))
}

/** Stays, and is multiplied by `factor` (0.1 where absent) at each of the steps `at`. Throws BAD_OPTION. */
export const stepDecay = ({
  peak,
  at,
  factor = 0.1,
}: {
  readonly peak: number
  readonly at: readonly number[]
  readonly factor?: number
}): Schedule => {
  checkPeak('stepDecay', { peak, steps: 1 })
  if (!at.every((step, i) => Number.isInteger(step) && step > (at[i - 1] ?? -1)))
    refuse('stepDecay', 'at', at, 'Pass the steps at which it falls, in order.')
  if (!(factor > 0)) refuse('stepDecay', 'factor', factor, 'Pass a number above 0.')
  return step => peak * factor ** at.filter(fall => step >= fall).length
}

/**
 * Reflected exponential: peak · (1 − z) / (½ + ½ (1 − z)), z = t / steps: it stays high longer than a line and falls faster at the end,
 * for trainings of few steps. Throws BAD_OPTION. Chen et al. 2021, https://arxiv.org/abs/2107.04197
 */
export const rex = (options: { readonly peak: number; readonly steps: number }): Schedule => {
  checkPeak('rex', options)
  return step => {
    const left = 1 - progressOf(step, options.steps)
    return (options.peak * left) / (0.5 + 0.5 * left)
  }
}

/** The median of the values around each, `width` of them, reflected at the ends. */
const medians = (values: readonly number[], width: number): readonly number[] => {
  const half = Math.floor(width / 2)
  const last = values.length - 1
  const around = (index: number): number => values[Math.abs(index) <= last ? Math.abs(index) : Math.max(0, 2 * last - index)]
  return values.map((_, i) => {
    const sorted = Array.from({ length: 2 * half + 1 }, (_, k) => around(i + k - half)).sort((a, b) => a - b)
    return sorted[half]
  })
}

/**
 * The schedule that an earlier training of as many steps would have liked: η_t ∝ w_t Σ_{p > t} w_p, w = g^−power, with its gradient norms g
 * smoothed by a median over a part `smooth` of the steps; its largest value is `peak`. `power` is 2 for descent along the gradient and 1
 * for Adam. The norms are those of the 'trained' events. Throws BAD_OPTION. Defazio et al. 2023, https://arxiv.org/abs/2310.07831
 */
export const refined = (
  norms: readonly number[],
  { peak, smooth = 0.1, power = 2 }: { readonly peak: number; readonly smooth?: number; readonly power?: number },
): Schedule => {
  checkPeak('refined', { peak, steps: 1 })
  if (norms.length < 2 || !norms.every(norm => Number.isFinite(norm) && norm > 0))
    refuse('refined', 'norms', norms.slice(0, 4), 'Pass the gradient norm of each step of an earlier training: numbers above 0.')
  const weights = medians(norms, Math.max(1, Math.round(smooth * norms.length))).map(norm => norm ** -power)
  const after = weights.map(() => 0)
  for (let i = weights.length - 2; i >= 0; i--) after[i] = after[i + 1] + weights[i + 1]
  const rates = weights.map((weight, i) => weight * after[i])
  const largest = rates.reduce((most, rate) => Math.max(most, rate), 0)
  return step => (peak * rates[Math.min(step, rates.length - 1)]) / largest
}
