import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { multiHeadAttention } from './attention.js'
import type { Band } from './bands.js'
import { biased, normed, type NetworkParameter } from './fresh-weights.js'
import { linearScaling, normScaling, valueRotation } from './free-channels.js'
import { ACTIVATIONS, layerNorm, linear, linearSite } from './layers.js'

/** What the blocks of BERT and ViT have in common. */
export interface EncoderConfig {
  readonly hidden: number
  readonly feedForward: number
  readonly layers: number
  readonly heads: number
  /** Added to the variance in layer norms. */
  readonly epsilon: number
  readonly activation: string
}

/** The names of one block. */
export interface EncoderNames {
  readonly name: string
  readonly inputs: readonly [query: Site, key: Site, value: Site]
  readonly output: Site
  readonly up: Site
  readonly down: Site
  /** Of attention and of the feed-forward network. */
  readonly norms: readonly [string, string]
}

/** Where a block keeps its attention, and what its norms are called. */
export const encoderNames = (name: string, attention: string, norms: readonly [string, string]): EncoderNames => ({
  name,
  inputs: [linearSite(`${name}.${attention}.query`), linearSite(`${name}.${attention}.key`), linearSite(`${name}.${attention}.value`)],
  output: linearSite(`${name}.attention.output.dense`),
  up: linearSite(`${name}.intermediate.dense`),
  down: linearSite(`${name}.output.dense`),
  norms: [`${name}.${norms[0]}`, `${name}.${norms[1]}`],
})

export const encoderSites = ({ inputs, output, up, down }: EncoderNames): readonly Site[] => [...inputs, output, up, down]

/** Channels of a block whose scale or direction is free: from values to the output, and behind norms that stand before what they feed. */
export const encoderChannels = (
  { inputs, output, up, down, norms }: EncoderNames,
  { hidden, heads, feedForward, activation }: EncoderConfig,
  before: boolean,
) => {
  const values = { site: inputs[2], start: 0, count: hidden, bias: true }
  const behind = (norm: string, sites: readonly Site[]) => (before ? [normScaling([`${norm}.weight`, `${norm}.bias`], hidden, sites)] : [])
  return {
    scalings: [
      ...behind(norms[0], inputs),
      linearScaling(values, output),
      ...behind(norms[1], [up]),
      ...(activation === 'relu' ? [linearScaling({ site: up, start: 0, count: feedForward, bias: true }, down)] : []),
    ],
    rotations: [valueRotation(hidden / heads, values, output, hidden)],
  }
}

export const encoderParameters = (
  { inputs, output, up, down, norms }: EncoderNames,
  { hidden, feedForward }: EncoderConfig,
): readonly NetworkParameter[] => [
  ...[...inputs, output].flatMap(site => biased(site.name, [hidden, hidden])),
  ...biased(up.name, [feedForward, hidden]),
  ...biased(down.name, [hidden, feedForward]),
  ...norms.flatMap(norm => normed(norm, hidden)),
]

/** One block; `before` puts the norms before what they feed (ViT) instead of after the sum (BERT); x: (batch, tokens, hidden). */
export const encoderBlock = (
  x: tf.Tensor,
  env: Env,
  names: EncoderNames,
  { hidden, heads, epsilon, activation }: EncoderConfig,
  { before, band }: { readonly before: boolean; readonly band?: Band },
): tf.Tensor => {
  const [batch, tokens] = x.shape
  const step = (rows: tf.Tensor, norm: string, change: (y: tf.Tensor) => tf.Tensor): tf.Tensor =>
    before ? tf.add(rows, change(layerNorm(rows, norm, env, epsilon))) : layerNorm(tf.add(rows, change(rows)), norm, env, epsilon)
  const rows = tf.reshape(x, [batch * tokens, hidden])
  const attended = step(rows, names.norms[0], y =>
    multiHeadAttention(y, env, { sites: names, batch, heads, ...(band ? { bands: () => [band] } : {}) }),
  )
  const fed = step(attended, names.norms[1], y => linear(ACTIVATIONS[activation](linear(y, names.up, env, true)), names.down, env, true))
  return tf.reshape(fed, [batch, tokens, hidden])
}
