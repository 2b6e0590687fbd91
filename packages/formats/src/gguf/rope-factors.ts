import type { Json } from '../files/json-text.js'

/** Angles per position of each pair, before scaling. */
const frequencies = (size: number, theta: number): Float64Array =>
  Float64Array.from({ length: size / 2 }, (_, i) => theta ** ((-2 * i) / size))

const number = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback)

/** What llama3 scaling divides each pair's frequency by: 1 for fast pairs, `factor` for slow ones, between them a blend. */
export const ropeFactors = (scaling: Json, size: number, theta: number): Float32Array => {
  const factor = number(scaling.factor, 8)
  const low = number(scaling.low_freq_factor, 1)
  const high = number(scaling.high_freq_factor, 4)
  const context = number(scaling.original_max_position_embeddings, 8192)
  return Float32Array.from(frequencies(size, theta), frequency => {
    const turns = (context * frequency) / (2 * Math.PI)
    if (turns < low) return factor
    if (turns > high) return 1
    const smooth = (turns - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}

/** The smallest blend that float32 tells from the ends, and the largest error of a scaling that is the same. */
const EPSILON = 1e-4

/**
 * Where blending starts and ends in frequencies, with low_freq_factor 1, which factors leave open:
 * through the first and last blended pair, beside a single one, or between the slowest fast and the fastest slow pair.
 */
const bounds = (factors: Float32Array, factor: number, frequencies: Float64Array): { readonly context: number; readonly high: number } => {
  const smooth = Array.from(factors, value => (1 / value - 1 / factor) / (1 - 1 / factor))
  const blended = [...smooth.keys()].filter(i => smooth[i] > EPSILON && smooth[i] < 1 - EPSILON)
  const [first, last] = [blended[0], blended.at(-1)!]
  // A step of half a neighbour's distance, so that no other pair falls into the blend.
  const high = 1 + (frequencies[0] / (frequencies[1] ?? 0.5) - 1) / 2
  if (blended.length === 0) {
    const slow = smooth.findIndex(value => value <= EPSILON)
    return { context: (2 * Math.PI) / frequencies[slow], high }
  }
  if (first === last) return { context: (2 * Math.PI * (1 + smooth[first] * (high - 1))) / frequencies[first], high }
  // smooth = slope · frequency − offset, with slope = context / (2π (high − low)) and offset = low / (high − low)
  const slope = (smooth[first] - smooth[last]) / (frequencies[first] - frequencies[last])
  const offset = slope * frequencies[last] - smooth[last]
  return { context: (slope * 2 * Math.PI) / offset, high: 1 + 1 / offset }
}

/** A scaling of config.json that gives these factors: llama3 where one does, else the factors themselves as longrope. */
export const scalingOf = (factors: Float32Array, size: number, theta: number, trained: number): Json | null => {
  const factor = factors.reduce((largest, value) => Math.max(largest, value), 1)
  if (factors.every(value => value === 1)) return null
  const { context, high } = bounds(factors, factor, frequencies(size, theta))
  const scaling = { rope_type: 'llama3', factor, low_freq_factor: 1, high_freq_factor: high, original_max_position_embeddings: context }
  const same = ropeFactors(scaling, size, theta).every((value, i) => Math.abs(value / factors[i] - 1) < EPSILON)
  if (same) return scaling
  const list = [...factors]
  return { rope_type: 'longrope', short_factor: list, long_factor: list, attention_factor: 1, original_max_position_embeddings: trained }
}
