import type { Json } from '../huggingface/open.js'

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

/** The smallest blend that float32 tells from the ends. */
const EPSILON = 1e-5

/**
 * The llama3 scaling that gives these factors, with low_freq_factor 1, which the factors leave open;
 * the same factors as longrope where fewer than two pairs are blended.
 */
export const scalingOf = (factors: Float32Array, size: number, theta: number, trained: number): Json => {
  const factor = factors.reduce((largest, value) => Math.max(largest, value), 1)
  const points = [...frequencies(size, theta)]
    .map((frequency, i) => ({ frequency, smooth: (1 / factors[i] - 1 / factor) / (1 - 1 / factor) }))
    .filter(({ smooth }) => smooth > EPSILON && smooth < 1 - EPSILON)
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || first === last) {
    const list = [...factors]
    return { rope_type: 'longrope', short_factor: list, long_factor: list, attention_factor: 1, original_max_position_embeddings: trained }
  }
  // smooth = slope · frequency − offset, with slope = context / (2π (high − low)) and offset = low / (high − low)
  const slope = (first.smooth - last.smooth) / (first.frequency - last.frequency)
  const offset = slope * last.frequency - last.smooth
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: 1,
    high_freq_factor: 1 + 1 / offset,
    original_max_position_embeddings: (slope * 2 * Math.PI) / offset,
  }
}
