import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import type { Env, Site } from '@tersor/core'
import { project } from './attention.js'
import type { Experts } from './llama-architectures.js'
import type { LlamaConfig } from './llama-config.js'
import type { FeedForwardSites, GatedSites } from './llama-parameters.js'
import { ACTIVATIONS, linear } from './layers.js'

/** Every linear layer of a feed-forward network, in order. */
export const feedForwardSites = (sites: FeedForwardSites): readonly Site[] =>
  'router' in sites ? sites.experts.flatMap(feedForwardSites) : [...sites.inputs, sites.down]

/** down(activation(gate(x)) · up(x)); x: (rows, hidden). */
const gated = (x: tf.Tensor, { inputs, down }: GatedSites, width: number, env: Env, { activation, biases }: LlamaConfig): tf.Tensor => {
  const [gate, up] = project(x, inputs, [width, width], env, biases.feedForward)
  return linear(tf.mul(ACTIVATIONS[activation](gate), up), down, env, biases.feedForward)
}

/** Ones at the `count` largest of each row, the first ones where some are equal, which no gradient passes; probabilities (rows, experts) → (rows, experts). */
const largest = (probabilities: tf.Tensor, experts: number, count: number): tf.Tensor =>
  tf.customGrad(given => {
    const { indices } = tf.topk(given as tf.Tensor, count) // (rows, count)
    return { value: tf.sum(tf.oneHot(indices, experts, 1, 0, 'float32'), 1), gradFunc: dy => tf.zerosLike(dy) }
  })(probabilities)

/** Each row's share of each expert, zero for those not chosen; (rows, experts). */
const sharesOf = (logits: tf.Tensor, { count, perToken, normalised }: Experts): tf.Tensor => {
  const all = tf.softmax(logits, -1)
  const chosen = tf.mul(all, largest(all, count, perToken)) // (rows, experts)
  return normalised ? tf.div(chosen, tf.sum(chosen, -1, true)) : chosen
}

/** "model.layers.0.mlp.gate" of its weight. */
const moduleOf = (router: string): string => router.replace(/\.weight$/, '')

/** "model.layers.0.mlp.experts.3" of the name of its last layer. */
const expertOf = ({ down }: GatedSites): string => down.name.replace(/\.[^.]*$/, '')

/**
 * Σ share · expert(x) over the experts that the router chooses for each row.
 * Every expert runs over all rows, with zeros in those that others take: experts / chosen times the work, but nothing is read back,
 * and a tap sees of an expert's input just what reaches it.
 */
const mixture = (x: tf.Tensor, sites: Extract<FeedForwardSites, { router: string }>, env: Env, config: LlamaConfig): tf.Tensor => {
  const { router, bias, experts, chosen } = sites
  const plain = tf.matMul(x, env.weights(router), false, true)
  const logits = bias === undefined ? plain : tf.add(plain, env.weights(bias))
  const shares = sharesOf(logits, chosen)
  env.probe?.(`${moduleOf(router)}.logits`, () => logits)
  env.probe?.(`${moduleOf(router)}.shares`, () => shares)
  const taken = tf.cast(tf.greater(shares, 0), 'float32')
  const column = (t: tf.Tensor, expert: number) => tf.slice(t, [0, expert], [-1, 1]) // (rows, 1)
  const outputs = experts.map((expert, index) => {
    const y = gated(tf.mul(x, column(taken, index)), expert, chosen.feedForward, env, config)
    const added = tf.mul(y, column(shares, index)) // (rows, hidden)
    env.probe?.(`${expertOf(expert)}.outputs`, () => added)
    return added
  })
  return addTensors(outputs)
}

/** The feed-forward network of a block of the Llama family, so wide where it has no experts; x: (rows, hidden). */
export const feedForward = (x: tf.Tensor, sites: FeedForwardSites, env: Env, config: LlamaConfig, width: number): tf.Tensor =>
  'router' in sites ? mixture(x, sites, env, config) : gated(x, sites, width, env, config)
