import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { linear, rmsNorm } from './layers.js'
import type { LlamaConfig } from './llama-config.js'
import { rotate, type Rotation } from './rope.js'

const HIDDEN_FROM_SIGHT = -1e30

/** What query i, at key past + i, must not see: later keys, and those `window` or more before it. The last mask is kept on the host. */
export const causalMasks = () => {
  let last = { tokens: -1, keys: -1, window: null as number | null, values: new Float32Array(0) }
  const build = (tokens: number, keys: number, window: number | null): Float32Array<ArrayBuffer> => {
    const past = keys - tokens
    const values = new Float32Array(tokens * keys)
    for (let i = 0; i < tokens; i++) {
      if (window !== null) values.fill(HIDDEN_FROM_SIGHT, i * keys, i * keys + Math.max(0, past + i + 1 - window))
      values.fill(HIDDEN_FROM_SIGHT, i * keys + past + i + 1, (i + 1) * keys)
    }
    return values
  }
  /** (tokens, keys), to be added to the scores; undefined where everything is seen. */
  return (tokens: number, keys: number, window: number | null): tf.Tensor | undefined => {
    if (tokens === 1 && (window === null || keys <= window)) return undefined
    if (last.tokens !== tokens || last.keys !== keys || last.window !== window) {
      last = { tokens, keys, window, values: build(tokens, keys, window) }
    }
    return tf.tensor2d(last.values, [tokens, keys])
  }
}

export type CausalMasks = ReturnType<typeof causalMasks>

/** The linear layers of one attention block. */
export interface AttentionSites {
  readonly query: Site
  readonly key: Site
  readonly value: Site
  readonly output: Site
  /** Weights of the norms of queries and keys, where there are any. */
  readonly norms?: { readonly query: string; readonly key: string }
}

export interface AttentionOptions {
  readonly config: LlamaConfig
  readonly sites: AttentionSites
  readonly batch: number
  readonly tokens: number
  /** Absent in layers without rotation. */
  readonly rotation?: Rotation
  readonly masks: CausalMasks
  readonly window: number | null
}

/** softmax(q · kᵀ + mask) · v over the positions of the cache and the new ones; q: (batch · kv heads, groups · tokens, size). */
const attendAll = (
  q: tf.Tensor3D,
  k: tf.Tensor,
  v: tf.Tensor,
  env: Env,
  { config, tokens, masks, window }: AttentionOptions,
): tf.Tensor => {
  const { keys, values } = env.cache ? env.cache.append(k, v) : { keys: k, values: v }
  const length = keys.shape[2]!
  const asMatrices = (t: tf.Tensor) => tf.reshape(t, [q.shape[0], length, config.headSize]) as tf.Tensor3D
  const scores = tf.matMul(q, asMatrices(keys), false, true) // (batch · kv heads, groups · tokens, keys)
  const grid = tf.reshape(scores, [q.shape[0], q.shape[1] / tokens, tokens, length])
  const mask = masks(tokens, length, window)
  const shares = tf.softmax(mask ? tf.add(grid, mask) : grid, -1)
  return tf.matMul(tf.reshape(shares, scores.shape), asMatrices(values))
}

/**
 * Grouped-query attention: softmax(q · kᵀ / √size + mask) · v, then the output projection; x: (batch · tokens, hidden).
 * Query heads that share keys stand as rows of one product, so keys are never repeated.
 */
export const attention = (x: tf.Tensor, env: Env, options: AttentionOptions): tf.Tensor => {
  const { config, sites, batch, tokens, rotation } = options
  const { heads, keyValueHeads, headSize, biases, epsilon } = config
  const groups = heads / keyValueHeads
  const split = (rows: tf.Tensor, count: number, norm?: string): tf.Tensor => {
    const each = tf.reshape(rows, [batch, tokens, count, headSize])
    return tf.transpose(norm ? rmsNorm(each, env.weights(norm), epsilon) : each, [0, 2, 1, 3]) // (batch, heads, tokens, size)
  }
  const turn = (rows: tf.Tensor): tf.Tensor => (rotation ? rotate(rows, rotation) : rows)
  const q = turn(split(linear(x, sites.query, env, biases.queryKeyValue), heads, sites.norms?.query))
  const k = turn(split(linear(x, sites.key, env, biases.queryKeyValue), keyValueHeads, sites.norms?.key))
  const v = split(linear(x, sites.value, env, biases.queryKeyValue), keyValueHeads)
  const scaled = tf.mul(tf.reshape(q, [batch * keyValueHeads, groups * tokens, headSize]), 1 / Math.sqrt(headSize)) as tf.Tensor3D
  const mixed = env.cache?.attend ? env.cache.attend(scaled, k, v) : attendAll(scaled, k, v, env, options)
  const rows = tf.transpose(tf.reshape(mixed, [batch, heads, tokens, headSize]), [0, 2, 1, 3]) // (batch, tokens, heads, size)
  return linear(tf.reshape(rows, [batch * tokens, heads * headSize]), sites.output, env, biases.output)
}
