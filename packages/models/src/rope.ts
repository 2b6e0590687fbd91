import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { badField, positive } from './config-fields.js'
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

interface Defaults {
  readonly theta: number
  readonly contextLength: number
}

const SCALINGS: Readonly<Record<string, (raw: RawConfig, defaults: Defaults) => RopeScaling>> = {
  default: () => ({ type: 'default' }),
  linear: raw => ({ type: 'linear', factor: positive(raw, 'factor') }),
  llama3: (raw, { contextLength }) => ({
    type: 'llama3',
    factor: positive(raw, 'factor'),
    lowFrequencyFactor: positive(raw, 'low_freq_factor'),
    highFrequencyFactor: positive(raw, 'high_freq_factor'),
    originalContext: positive(raw, 'original_max_position_embeddings', contextLength),
  }),
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

/** Slows the low frequencies by `factor`, keeps the high ones, and blends in between. */
const stretch = (frequency: number, scaling: Extract<RopeScaling, { type: 'llama3' }>): number => {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = scaling
  const turns = (originalContext * frequency) / (2 * Math.PI)
  const blend = Math.min(1, Math.max(0, (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)))
  return (frequency / factor) * (1 - blend) + frequency * blend
}

/** Radians a position turns each pair by: θ^(−2i/size), scaled; (size / 2). */
export const frequenciesOf = ({ theta, scaling }: Rope, size: number): Float32Array =>
  Float32Array.from({ length: size / 2 }, (_, pair) => {
    const frequency = theta ** ((-2 * pair) / size)
    if (scaling.type === 'linear') return frequency / scaling.factor
    return scaling.type === 'llama3' ? stretch(frequency, scaling) : frequency
  })

/** Cosines and sines of the angles of some positions, (tokens, size / 2) each. */
export interface Rotation {
  readonly cos: tf.Tensor
  readonly sin: tf.Tensor
}

/** Gives the rotation of `tokens` positions from `start` on, or of the positions given; the angles of the last run are kept on the host. */
export const rotations = (rope: Rope, size: number) => {
  const frequencies = frequenciesOf(rope, size)
  const half = frequencies.length
  let last = { start: -1, tokens: -1, cos: new Float32Array(0), sin: new Float32Array(0) }
  const table = (start: number, tokens: number) => {
    if (last.start === start && last.tokens === tokens) return last
    const angles = Float32Array.from({ length: tokens * half }, (_, i) => (start + Math.floor(i / half)) * frequencies[i % half])
    last = { start, tokens, cos: angles.map(Math.cos), sin: angles.map(Math.sin) }
    return last
  }
  return (start: number, tokens: number, positions?: tf.Tensor): Rotation => {
    if (!positions) {
      const { cos, sin } = table(start, tokens)
      return { cos: tf.tensor2d(cos, [tokens, half]), sin: tf.tensor2d(sin, [tokens, half]) }
    }
    const angles = tf.mul(tf.reshape(tf.cast(positions, 'float32'), [-1, 1]), tf.reshape(tf.tensor1d(frequencies), [1, half])) // (tokens, half)
    return { cos: tf.cos(angles), sin: tf.sin(angles) }
  }
}

/** Turns each pair (xᵢ, xᵢ₊ₕ), h = size / 2, by its angle; x: (…, tokens, size). */
export const rotate = (x: tf.Tensor, { cos, sin }: Rotation): tf.Tensor => {
  const [a, b] = tf.split(x, 2, -1) // (…, tokens, half)
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1)
}
