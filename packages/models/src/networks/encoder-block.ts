import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { multiHeadAttention } from './attention.js'
import type { Band } from './bands.js'
import type { Place } from './coupled-axes.js'
import type { CoupledBlock, EncoderWidths } from './encoder-couplings.js'
import { biased, normed, type NetworkParameter } from './fresh-weights.js'
import { linearScaling, normScaling, valueRotation } from './free-channels.js'
import { ACTIVATIONS, layerNorm, linear, linearSite } from './layers.js'

/** What the blocks of BERT and ViT have in common. */
export interface EncoderConfig {
  readonly hidden: number
  readonly layers: number
  /** Per layer, what it is made of. */
  readonly widths: readonly EncoderWidths[]
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

/** A block with what it is made of. */
export interface EncoderBlock extends EncoderNames {
  readonly widths: EncoderWidths
}

const partsOf = ({ widths: { heads, feedForward } }: EncoderBlock) => ({ attends: heads > 0, feeds: feedForward > 0 })

export const encoderSites = (block: EncoderBlock): readonly Site[] => {
  const { attends, feeds } = partsOf(block)
  return [...(attends ? [...block.inputs, block.output] : []), ...(feeds ? [block.up, block.down] : [])]
}

/** The block as couplings see it. */
export const coupledBlock = ({ name, widths, inputs: [query, key, value], output, up, down, norms }: EncoderBlock): CoupledBlock => {
  const whole = (site: Site): Place => ({ site, start: 0 })
  return { name, widths, query: whole(query), key: whole(key), value: whole(value), output, up, down, norms }
}

/** Channels of a block whose scale or direction is free: from values to the output, and behind norms that stand before what they feed. */
export const encoderChannels = (block: EncoderBlock, { hidden, activation }: EncoderConfig, before: boolean) => {
  const { inputs, output, up, down, norms, widths } = block
  const { attends, feeds } = partsOf(block)
  const width = widths.heads * widths.size
  const values = { site: inputs[2], start: 0, count: width, bias: true }
  const behind = (norm: string, sites: readonly Site[]) => (before ? [normScaling([`${norm}.weight`, `${norm}.bias`], hidden, sites)] : [])
  const network = () => [
    ...behind(norms[1], [up]),
    ...(activation === 'relu' ? [linearScaling({ site: up, start: 0, count: widths.feedForward, bias: true }, down)] : []),
  ]
  return {
    scalings: [...(attends ? [...behind(norms[0], inputs), linearScaling(values, output)] : []), ...(feeds ? network() : [])],
    rotations: attends ? [valueRotation(widths.size, values, output, width)] : [],
  }
}

/** The parameters of a block; norms behind its sums stay where a part of it is left out. */
export const encoderParameters = (block: EncoderBlock, { hidden }: EncoderConfig, before: boolean): readonly NetworkParameter[] => {
  const { inputs, output, up, down, norms, widths } = block
  const { attends, feeds } = partsOf(block)
  const width = widths.heads * widths.size
  return [
    ...(attends ? [...inputs.flatMap(site => biased(site.name, [width, hidden])), ...biased(output.name, [hidden, width])] : []),
    ...(feeds ? [...biased(up.name, [widths.feedForward, hidden]), ...biased(down.name, [hidden, widths.feedForward])] : []),
    ...(attends || !before ? normed(norms[0], hidden) : []),
    ...(feeds || !before ? normed(norms[1], hidden) : []),
  ]
}

/** One block; `before` puts the norms before what they feed (ViT) instead of after the sum (BERT); x: (batch, tokens, hidden). */
export const encoderBlock = (
  x: tf.Tensor,
  env: Env,
  block: EncoderBlock,
  { hidden, epsilon, activation }: EncoderConfig,
  { before, band }: { readonly before: boolean; readonly band?: Band },
): tf.Tensor => {
  const [batch, tokens] = x.shape
  const { norms, widths, up, down } = block
  const { attends, feeds } = partsOf(block)
  const step = (rows: tf.Tensor, norm: string, change: ((y: tf.Tensor) => tf.Tensor) | undefined): tf.Tensor => {
    if (before) return change ? tf.add(rows, change(layerNorm(rows, norm, env, epsilon))) : rows
    return layerNorm(change ? tf.add(rows, change(rows)) : rows, norm, env, epsilon)
  }
  const attend = (y: tf.Tensor): tf.Tensor =>
    multiHeadAttention(y, env, { sites: block, batch, widths, ...(band ? { bands: () => [band] } : {}) })
  const feed = (y: tf.Tensor): tf.Tensor => linear(ACTIVATIONS[activation](linear(y, up, env, true)), down, env, true)
  const rows = tf.reshape(x, [batch * tokens, hidden])
  const attended = step(rows, norms[0], attends ? attend : undefined)
  return tf.reshape(step(attended, norms[1], feeds ? feed : undefined), [batch, tokens, hidden])
}
