import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { badField, flag, positive } from './config-fields.js'
import type { RawConfig } from './raw-config.js'

/** How positions turn queries and keys. */
export interface Rope {
  readonly theta: number
  readonly scaling: RopeScaling
}

export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** Positions of the network before its context was stretched. */
      readonly originalContext: number
    }
  | {
      readonly type: 'yarn'
      readonly factor: number
      readonly originalContext: number
      /** Turns within the original context above which a pair keeps its speed, and below which it slows by all of the factor. */
      readonly fastTurns: number
      readonly slowTurns: number
      /** Whether the pairs where blending starts and ends are whole numbers. */
      readonly truncated: boolean
      readonly attentionFactor: number
    }
  | { readonly type: 'dynamic'; readonly factor: number; readonly originalContext: number }
  | {
      readonly type: 'longrope'
      /** What each pair's frequency is divided by, in texts within the original context and beyond. */
      readonly short: readonly number[]
      readonly long: readonly number[]
      readonly originalContext: number
      readonly attentionFactor: number
    }

interface Defaults {
  readonly theta: number
  readonly contextLength: number
}

const original = (raw: RawConfig, { contextLength }: Defaults): number => positive(raw, 'original_max_position_embeddings', contextLength)

/** 0.1 · scale · ln(factor) + 1, for stretched contexts. */
const lengthened = (factor: number, scale = 1): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1)

/** YaRN's factor of cosines and sines: as given, from the two scales of DeepSeek, or from the factor. */
const yarnAttention = (raw: RawConfig, factor: number): number => {
  if (typeof raw.attention_factor === 'number') return positive(raw, 'attention_factor')
  if (!raw.mscale || !raw.mscale_all_dim) return lengthened(factor)
  return lengthened(factor, positive(raw, 'mscale')) / lengthened(factor, positive(raw, 'mscale_all_dim'))
}

const yarn = (raw: RawConfig, defaults: Defaults): RopeScaling => {
  const originalContext = original(raw, defaults)
  const factor = positive(raw, 'factor', defaults.contextLength / originalContext)
  return {
    type: 'yarn',
    factor,
    originalContext,
    fastTurns: positive(raw, 'beta_fast', 32),
    slowTurns: positive(raw, 'beta_slow', 1),
    truncated: flag(raw, 'truncate', true),
    attentionFactor: yarnAttention(raw, factor),
  }
}

/** Factors of all pairs; throws BAD_FILE for a list that is none. */
const factors = (raw: RawConfig, field: string): readonly number[] => {
  const list = raw[field]
  if (Array.isArray(list) && list.length > 0 && list.every(value => typeof value === 'number' && value > 0 && value < Infinity)) return list
  throw badField(field, list, 'a list of numbers above zero, one for each pair')
}

const longrope = (raw: RawConfig, defaults: Defaults): RopeScaling => {
  const originalContext = original(raw, defaults)
  const factor = positive(raw, 'factor', defaults.contextLength / originalContext)
  const computed = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext))
  const attentionFactor = positive(raw, 'attention_factor', computed)
  return { type: 'longrope', short: factors(raw, 'short_factor'), long: factors(raw, 'long_factor'), originalContext, attentionFactor }
}

const SCALINGS: Readonly<Record<string, (raw: RawConfig, defaults: Defaults) => RopeScaling>> = {
  default: () => ({ type: 'default' }),
  linear: raw => ({ type: 'linear', factor: positive(raw, 'factor') }),
  llama3: (raw, defaults) => ({
    type: 'llama3',
    factor: positive(raw, 'factor'),
    lowFrequencyFactor: positive(raw, 'low_freq_factor'),
    highFrequencyFactor: positive(raw, 'high_freq_factor'),
    originalContext: original(raw, defaults),
  }),
  yarn,
  dynamic: (raw, { contextLength }) => ({ type: 'dynamic', factor: positive(raw, 'factor'), originalContext: contextLength }),
  longrope,
  su: longrope, // its name before it was published
}

/** Reads `rope_parameters`, or `rope_scaling` with its `rope_theta`; throws UNSUPPORTED for another kind of scaling. */
export const parseRope = (raw: RawConfig, defaults: Defaults): Rope => {
  const nested = Object.values(raw).some(value => typeof value === 'object' && value !== null && !Array.isArray(value))
  const type = nested ? 'one for each kind of layer' : (raw.rope_type ?? raw.type ?? 'default')
  if (typeof type !== 'string' || !Object.hasOwn(SCALINGS, type)) {
    throw new CompressionError(
      'UNSUPPORTED',
      `The rotary scaling ${JSON.stringify(type)} is not one this package runs.`,
      `Known are ${Object.keys(SCALINGS).join(', ')}.`,
      { scaling: type, known: Object.keys(SCALINGS) },
    )
  }
  const partial = raw.partial_rotary_factor ?? 1
  if (partial !== 1) throw badField('partial_rotary_factor', partial, '1: this family rotates whole heads')
  return { theta: positive(raw, 'rope_theta', defaults.theta), scaling: SCALINGS[type](raw, defaults) }
}

/** Radians a position turns each pair by, from those without scaling; `length`: positions of the text so far. */
type Stretch<T extends RopeScaling['type']> = (
  plain: Float64Array,
  scaling: Extract<RopeScaling, { type: T }>,
  shape: { readonly theta: number; readonly size: number; readonly length: number },
) => Float64Array

/** Slows the low frequencies by `factor`, keeps the high ones, and blends in between. */
const stretchLlama3: Stretch<'llama3'> = (plain, { factor, lowFrequencyFactor, highFrequencyFactor, originalContext }) =>
  plain.map(frequency => {
    const turns = (originalContext * frequency) / (2 * Math.PI)
    const blend = Math.min(1, Math.max(0, (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)))
    return (frequency / factor) * (1 - blend) + frequency * blend
  })

/** The same with a blend that is linear in the pair's number. Peng et al. 2023, https://arxiv.org/abs/2309.00071 */
const stretchYarn: Stretch<'yarn'> = (plain, { factor, originalContext, fastTurns, slowTurns, truncated }, { theta, size }) => {
  const pairOf = (turns: number): number => (size * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
  const [first, last] = [pairOf(fastTurns), pairOf(slowTurns)]
  const low = Math.max(0, truncated ? Math.floor(first) : first)
  const high = Math.min(size - 1, truncated ? Math.ceil(last) : last)
  const width = low === high ? 0.001 : high - low
  return plain.map((frequency, pair) => {
    const slowed = Math.min(1, Math.max(0, (pair - low) / width))
    return (frequency / factor) * slowed + frequency * (1 - slowed)
  })
}

/** Raises θ with the length of texts beyond the context. */
const stretchDynamic: Stretch<'dynamic'> = (plain, { factor, originalContext }, { size, length }) => {
  const growth = (factor * Math.max(length, originalContext)) / originalContext - (factor - 1)
  return plain.map((frequency, pair) => frequency * growth ** ((-2 * pair) / (size - 2)))
}

/** Ding et al. 2024, https://arxiv.org/abs/2402.13753 */
const stretchLongrope: Stretch<'longrope'> = (plain, { short, long, originalContext }, { length }) => {
  const divisors = length > originalContext ? long : short
  if (divisors.length === plain.length) return plain.map((frequency, pair) => frequency / divisors[pair])
  throw badField(
    length > originalContext ? 'long_factor' : 'short_factor',
    divisors,
    `a list of ${plain.length} numbers, one for each pair`,
  )
}

const STRETCHES: { readonly [T in RopeScaling['type']]: Stretch<T> } = {
  default: plain => plain,
  linear: (plain, { factor }) => plain.map(frequency => frequency / factor),
  llama3: stretchLlama3,
  yarn: stretchYarn,
  dynamic: stretchDynamic,
  longrope: stretchLongrope,
}

/** Radians a position turns each pair by in a text of so many positions: θ^(−2i/size), scaled; (size / 2). */
export const frequenciesOf = ({ theta, scaling }: Rope, size: number, length = 0): Float32Array => {
  const plain = Float64Array.from({ length: size / 2 }, (_, pair) => theta ** ((-2 * pair) / size))
  const stretch = STRETCHES[scaling.type] as Stretch<RopeScaling['type']>
  return Float32Array.from(stretch(plain, scaling as never, { theta, size, length }))
}

/** Where the frequencies of a text change with its length: beyond so many positions; Infinity where they never do. */
export const changesBeyond = ({ scaling }: Rope): number =>
  'originalContext' in scaling && ['dynamic', 'longrope'].includes(scaling.type) ? scaling.originalContext : Infinity

/** What cosines and sines are multiplied by. */
export const attentionFactorOf = ({ scaling }: Rope): number => ('attentionFactor' in scaling ? scaling.attentionFactor : 1)

/** Cosines and sines of the angles of some positions, (tokens, size / 2) each. */
export interface Rotation {
  readonly cos: tf.Tensor
  readonly sin: tf.Tensor
}

/** cos and sin of angles in radians, longer than 1 where the scaling says so. */
const scaled = (angles: tf.Tensor, factor: number): Rotation => {
  const [cos, sin] = [tf.cos(angles), tf.sin(angles)]
  return factor === 1 ? { cos, sin } : { cos: tf.mul(cos, factor), sin: tf.mul(sin, factor) }
}

/** Gives the rotation of `tokens` positions from `start` on, or of the positions given; the angles of the last run are kept on the host. */
export const rotations = (rope: Rope, size: number) => {
  const half = size / 2
  const factor = attentionFactorOf(rope)
  const change = changesBeyond(rope)
  const within = frequenciesOf(rope, size)
  const beyond = frequenciesOf(rope, size, change === Infinity ? 0 : change + 1)
  let last = { start: -1, tokens: -1, cos: new Float32Array(0), sin: new Float32Array(0) }
  const table = (start: number, tokens: number) => {
    if (last.start === start && last.tokens === tokens) return last
    const frequencies = start + tokens > change ? frequenciesOf(rope, size, start + tokens) : within
    const angles = Float32Array.from({ length: tokens * half }, (_, i) => (start + Math.floor(i / half)) * frequencies[i % half])
    last = { start, tokens, cos: angles.map(angle => factor * Math.cos(angle)), sin: angles.map(angle => factor * Math.sin(angle)) }
    return last
  }
  /** Chosen where the positions are known, which is when the step runs. */
  const frequenciesAt = (positions: tf.Tensor): tf.Tensor => {
    const row = (frequencies: Float32Array): tf.Tensor => tf.reshape(tf.tensor1d(frequencies), [1, half])
    if (change === Infinity) return row(within)
    const isBeyond = tf.cast(tf.greaterEqual(tf.max(positions), change), 'float32')
    return tf.add(tf.mul(row(within), tf.sub(1, isBeyond)), tf.mul(row(beyond), isBeyond))
  }
  return (start: number, tokens: number, positions?: tf.Tensor): Rotation => {
    if (!positions) {
      const { cos, sin } = table(start, tokens)
      return { cos: tf.tensor2d(cos, [tokens, half]), sin: tf.tensor2d(sin, [tokens, half]) }
    }
    const places = tf.reshape(tf.cast(positions, 'float32'), [-1, 1])
    return scaled(tf.mul(places, frequenciesAt(places)), factor) // (tokens, half)
  }
}

/** Turns each pair (xᵢ, xᵢ₊ₕ), h = size / 2, by its angle; x: (…, tokens, size). */
export const rotate = (x: tf.Tensor, { cos, sin }: Rotation): tf.Tensor => {
  const [a, b] = tf.split(x, 2, -1) // (…, tokens, half)
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1)
}
