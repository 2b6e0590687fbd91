import * as tf from '@tensorflow/tfjs-core'
import { turnPairs } from '@tersor/core/turn-pairs'
import { CompressionError } from '@tersor/tensor'
import { positive } from './config-fields.js'
import type { RawConfig } from './raw-config.js'
import { ROPE_SCALINGS, type RopeDefaults, type RopeScaling } from './rope-scalings.js'

export type { RopeScaling } from './rope-scalings.js'

/** How positions turn queries and keys. */
export interface Rope {
  readonly theta: number
  readonly scaling: RopeScaling
}

/** What kind of scaling a config asks for. */
const kindOf = (raw: RawConfig): string => {
  const nested = Object.values(raw).some(value => typeof value === 'object' && value !== null && !Array.isArray(value))
  if (nested) return 'one for each kind of layer'
  const partial = raw.partial_rotary_factor ?? 1
  if (partial !== 1) return `partial_rotary_factor ${JSON.stringify(partial)}`
  const type = raw.rope_type ?? raw.type ?? 'default'
  return typeof type === 'string' ? type : JSON.stringify(type)
}

/** Reads `rope_parameters`, or `rope_scaling` with its `rope_theta`; what is not known is kept by its name, and refused when it is to run. Throws BAD_FILE. */
export const parseRope = (raw: RawConfig, defaults: RopeDefaults): Rope => {
  const kind = kindOf(raw)
  const theta = positive(raw, 'rope_theta', defaults.theta)
  return { theta, scaling: Object.hasOwn(ROPE_SCALINGS, kind) ? ROPE_SCALINGS[kind](raw, defaults) : { type: 'unknown', name: kind } }
}

const unsupported = (what: string, remedy: string): CompressionError => {
  const known = Object.keys(ROPE_SCALINGS)
  return new CompressionError('UNSUPPORTED', what, `Known are ${known.join(', ')}. ${remedy}`, { known })
}

/** θ^(−2i/size) of each pair. */
const plainFrequency = (theta: number, size: number, pair: number): number => theta ** ((-2 * pair) / size)

/** Slows the low frequencies by `factor`, keeps the high ones, and blends in between. */
const stretch = (frequency: number, scaling: Extract<RopeScaling, { type: 'llama3' }>): number => {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = scaling
  const turns = (originalContext * frequency) / (2 * Math.PI)
  const blend = Math.min(1, Math.max(0, (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)))
  return (frequency / factor) * (1 - blend) + frequency * blend
}

/** Blends from kept to slowed frequencies over the pairs that turn between `fastTurns` and `slowTurns` times in the original context. */
const yarn = (
  scaling: Extract<RopeScaling, { type: 'yarn' }>,
  theta: number,
  size: number,
): ((frequency: number, pair: number) => number) => {
  const { factor, fastTurns, slowTurns, originalContext, truncate } = scaling
  const pairOf = (turns: number) => (size * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
  const [fast, slow] = [pairOf(fastTurns), pairOf(slowTurns)]
  const low = Math.max(truncate ? Math.floor(fast) : fast, 0)
  const high = Math.min(truncate ? Math.ceil(slow) : slow, size - 1)
  const width = high === low ? 0.001 : high - low
  return (frequency, pair) => {
    const slowed = Math.min(1, Math.max(0, (pair - low) / width))
    return (frequency / factor) * slowed + frequency * (1 - slowed)
  }
}

/** How each frequency is changed in a text of `length` positions. */
type Change = (frequency: number, pair: number, length: number) => number

const divided = (list: readonly number[], size: number): Change => {
  if (list.length === size / 2) return (frequency, pair) => frequency / list[pair]
  throw unsupported(`The rotary scaling longrope has ${list.length} factors for ${size / 2} pairs.`, 'Take the config of these weights.')
}

const CHANGES: {
  readonly [T in RopeScaling['type']]: (scaling: Extract<RopeScaling, { type: T }>, theta: number, size: number) => Change
} = {
  default: () => frequency => frequency,
  linear:
    ({ factor }) =>
    frequency =>
      frequency / factor,
  llama3: scaling => frequency => stretch(frequency, scaling),
  yarn,
  dynamic:
    ({ factor, originalContext }, _theta, size) =>
    (frequency, pair, length) =>
      frequency * growthOf(factor, originalContext, Math.max(length, originalContext)) ** ((-2 * pair) / (size - 2)),
  longrope: ({ short, long, originalContext }, _theta, size) => {
    const [few, many] = [divided(short, size), divided(long, size)]
    return (frequency, pair, length) => (length > originalContext ? many : few)(frequency, pair, length)
  },
  unknown: ({ name }) => {
    throw unsupported(
      `The rotary scaling ${JSON.stringify(name)} is not one this package runs.`,
      'Steps that need no calibration, such as rtn, and convert work without running the model.',
    )
  },
}

/** By how much the base of dynamic scaling grows, but for its exponent. */
const growthOf = (factor: number, original: number, length: number): number => (factor * length) / original - (factor - 1)

/** Radians a position turns each pair by in a text of `length` positions: θ^(−2i/size), scaled; (size / 2). Throws UNSUPPORTED. */
const frequenciesAt = ({ theta, scaling }: Rope, size: number, length: number): Float32Array => {
  const change = (CHANGES[scaling.type] as (scaling: RopeScaling, theta: number, size: number) => Change)(scaling, theta, size)
  return Float32Array.from({ length: size / 2 }, (_, pair) => change(plainFrequency(theta, size, pair), pair, length))
}

/** Factor of cosines and sines. */
const attentionOf = ({ scaling }: Rope): number => ('attention' in scaling ? scaling.attention : 1)

/** Whether frequencies hang on the length of the text. */
export const followsLength = ({ scaling }: Rope): boolean => scaling.type === 'dynamic' || scaling.type === 'longrope'

/** Radians a position turns each pair by, the same in every text, (size / 2). Throws UNSUPPORTED where frequencies follow the text or cosines are scaled. */
export const frequenciesOf = (rope: Rope, size: number): Float32Array => {
  if (followsLength(rope) || attentionOf(rope) !== 1)
    throw unsupported(
      `The rotary scaling "${rope.scaling.type}" is more than frequencies, which is all that this format has a place for.`,
      'Write a Hugging Face folder instead.',
    )
  return frequenciesAt(rope, size, 1)
}

/** Radians a position turns each pair by, (size / 2); undefined where they follow the length of the text. Throws UNSUPPORTED for a scaling that is not known. */
export const turnsOf = (rope: Rope, size: number): Float32Array | undefined =>
  followsLength(rope) ? undefined : frequenciesAt(rope, size, 1)

/** Cosines and sines of the angles of some positions, (tokens, size / 2) each. */
export interface Rotation {
  readonly cos: tf.Tensor
  readonly sin: tf.Tensor
}

/** Frequencies that follow the largest of the positions given, (size / 2). */
const followingFrequencies = (rope: Rope, size: number, positions: tf.Tensor): tf.Tensor => {
  const { scaling } = rope
  const length = tf.add(tf.cast(tf.max(positions), 'float32'), 1)
  if (scaling.type === 'longrope') {
    const isLong = tf.cast(tf.greater(length, scaling.originalContext), 'float32')
    const [short, long] = [1, Infinity].map(tokens => tf.tensor1d(frequenciesAt(rope, size, tokens)))
    return tf.add(tf.mul(long, isLong), tf.mul(short, tf.sub(1, isLong)))
  }
  const { factor, originalContext } = scaling as Extract<RopeScaling, { type: 'dynamic' }>
  const growth = tf.sub(tf.mul(tf.maximum(length, originalContext), factor / originalContext), factor - 1)
  const exponents = Float32Array.from({ length: size / 2 }, (_, pair) => (-2 * pair) / (size - 2))
  return tf.mul(tf.tensor1d(frequenciesAt(rope, size, 1)), tf.pow(growth, tf.tensor1d(exponents)))
}

/** Gives the rotation of `tokens` positions from `start` on, or of the positions given; the angles of the last run are kept on the host. It throws UNSUPPORTED for a scaling that is not known. */
export const rotations = (rope: Rope, size: number) => {
  const half = size / 2
  const attention = attentionOf(rope)
  let fixed: Float32Array | undefined
  const frequencies = (length: number): Float32Array =>
    followsLength(rope) ? frequenciesAt(rope, size, length) : (fixed ??= frequenciesAt(rope, size, length))
  let last = { start: -1, tokens: -1, cos: new Float32Array(0), sin: new Float32Array(0) }
  const table = (start: number, tokens: number) => {
    if (last.start === start && last.tokens === tokens) return last
    const turns = frequencies(start + tokens)
    const angles = Float32Array.from({ length: tokens * half }, (_, i) => (start + Math.floor(i / half)) * turns[i % half])
    const scaled = (of: (angle: number) => number) => angles.map(angle => of(angle) * attention)
    last = { start, tokens, cos: scaled(Math.cos), sin: scaled(Math.sin) }
    return last
  }
  return (start: number, tokens: number, positions?: tf.Tensor): Rotation => {
    if (!positions) {
      const { cos, sin } = table(start, tokens)
      return { cos: tf.tensor2d(cos, [tokens, half]), sin: tf.tensor2d(sin, [tokens, half]) }
    }
    const turns = followsLength(rope) ? followingFrequencies(rope, size, positions) : tf.tensor1d(frequencies(1))
    const angles = tf.mul(tf.reshape(tf.cast(positions, 'float32'), [-1, 1]), tf.reshape(turns, [1, half])) // (tokens, half)
    const scaled = (x: tf.Tensor): tf.Tensor => (attention === 1 ? x : tf.mul(x, attention))
    return { cos: scaled(tf.cos(angles)), sin: scaled(tf.sin(angles)) }
  }
}

/** A rotation whose pairs come in an order of each key head, for all of its groups; table: (key heads, h), result (key heads · groups, tokens, h). */
export const inOrder = ({ cos, sin }: Rotation, table: tf.Tensor, groups: number): Rotation => {
  const [heads, half] = table.shape as [number, number]
  const places = tf.reshape(table, [heads * half]) as tf.Tensor1D
  const ordered = (turns: tf.Tensor): tf.Tensor => {
    const tokens = turns.shape[0]
    const rows = tf.reshape(tf.gather(turns, places, 1), [tokens, heads, 1, half])
    const each = tf.transpose(groups === 1 ? rows : tf.tile(rows, [1, 1, groups, 1]), [1, 2, 0, 3]) // (key heads, groups, tokens, h)
    return tf.reshape(each, [heads * groups, tokens, half])
  }
  return { cos: ordered(cos), sin: ordered(sin) }
}

/** Turns each pair (xᵢ, xᵢ₊ₕ), h = size / 2, by its angle; x: (…, tokens, size). */
export const rotate = (x: tf.Tensor, { cos, sin }: Rotation): tf.Tensor => turnPairs(x, cos, sin)
