import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { linear, rmsNorm, softCap } from './layers.js'
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

/** What `attend` does besides the plain softmax. */
export interface AttendOptions {
  readonly scale: number
  /** Gives, for a number of keys, what is added to the scores (batch · key heads, groups, tokens, keys). */
  readonly mask?: (keys: number) => tf.Tensor | undefined
  /** Soft limit of the scores. */
  readonly cap?: number | null
}

/**
 * softmax(scale · q · kᵀ + mask) · v over the positions of the cache and the new ones, heads side by side: (batch · tokens, heads · size).
 * Query heads that share keys stand as rows of one product, so keys are never repeated.
 * q: (batch, heads, tokens, size); k and v: (batch, key heads, keys, size).
 */
export const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, env: Env, { scale, mask, cap = null }: AttendOptions): tf.Tensor => {
  const [batch, heads, tokens, size] = q.shape as [number, number, number, number]
  const matrices = batch * k.shape[1]!
  const groups = heads / k.shape[1]!
  const scaled = tf.mul(tf.reshape(q, [matrices, groups * tokens, size]), scale) as tf.Tensor3D
  const attendAll = (): tf.Tensor => {
    const { keys, values } = env.cache ? env.cache.append(k, v) : { keys: k, values: v }
    const length = keys.shape[2]!
    const asMatrices = (t: tf.Tensor) => tf.reshape(t, [matrices, length, size]) as tf.Tensor3D
    const scores = tf.matMul(scaled, asMatrices(keys), false, true) // (batch · key heads, groups · tokens, keys)
    const grid = tf.reshape(cap === null ? scores : softCap(scores, cap), [matrices, groups, tokens, length])
    const hides = mask?.(length)
    const shares = tf.softmax(hides ? tf.add(grid, hides) : grid, -1)
    return tf.matMul(tf.reshape(shares, scores.shape), asMatrices(values))
  }
  const mixed = env.cache?.attend ? env.cache.attend(scaled, k, v, cap) : attendAll()
  const rows = tf.transpose(tf.reshape(mixed, [batch, heads, tokens, size]), [0, 2, 1, 3]) // (batch, tokens, heads, size)
  return tf.reshape(rows, [batch * tokens, heads * size])
}

/** (batch · tokens, heads · size) → (batch, heads, tokens, size). */
export const splitHeads = (rows: tf.Tensor, batch: number, tokens: number, heads: number): tf.Tensor =>
  tf.transpose(tf.reshape(rows, [batch, tokens, heads, rows.shape[1]! / heads]), [0, 2, 1, 3])

/** Queries, keys and values of some rows, from one site for all three or one for each; `sizes` are their widths. */
export const project = (x: tf.Tensor, inputs: readonly Site[], sizes: readonly number[], env: Env, bias: boolean): readonly tf.Tensor[] =>
  inputs.length === 1 ? tf.split(linear(x, inputs[0], env, bias), [...sizes], -1) : inputs.map(site => linear(x, site, env, bias))

/** What keys a padded batch must not show, (batch · heads, 1, 1, keys), from 1 for a token and 0 for padding, (batch, keys). */
export const paddingMask = (attended: tf.Tensor, heads: number): tf.Tensor => {
  const [batch, keys] = attended.shape as [number, number]
  const hidden = tf.mul(tf.sub(1, tf.cast(attended, 'float32')), HIDDEN_FROM_SIGHT)
  return tf.reshape(tf.tile(tf.reshape(hidden, [batch, 1, keys]), [1, heads, 1]), [batch * heads, 1, 1, keys])
}

/** The linear layers of one attention block. */
export interface AttentionSites {
  /** Query, key and value, or one that gives all three side by side. */
  readonly inputs: readonly Site[]
  readonly output: Site
  /** Weights of the norms of queries and keys, where there are any. */
  readonly norms?: { readonly query: string; readonly key: string }
}

/** Multi-head attention with biases everywhere, as GPT-2, BERT and ViT have it; x: (batch · tokens, hidden). */
export const multiHeadAttention = (
  x: tf.Tensor,
  env: Env,
  {
    sites,
    batch,
    heads,
    mask,
  }: { sites: Pick<AttentionSites, 'inputs' | 'output'>; batch: number; heads: number; mask?: (keys: number) => tf.Tensor | undefined },
): tf.Tensor => {
  const [rows, hidden] = x.shape as [number, number]
  const split = (t: tf.Tensor) => splitHeads(t, batch, rows / batch, heads)
  const [q, k, v] = project(x, sites.inputs, [hidden, hidden, hidden], env, true).map(split)
  const mixed = attend(q, k, v, env, { scale: 1 / Math.sqrt(hidden / heads), ...(mask ? { mask } : {}) })
  return linear(mixed, sites.output, env, true)
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

/** Grouped-query attention of the Llama family, with the output projection; x: (batch · tokens, hidden). */
export const attention = (x: tf.Tensor, env: Env, options: AttentionOptions): tf.Tensor => {
  const { config, sites, batch, tokens, rotation, masks, window } = options
  const { heads, keyValueHeads, headSize, biases, epsilon, scoreScale, scoreCap } = config
  const normed = (t: tf.Tensor, norm?: string): tf.Tensor => (norm ? rmsNorm(t, env.weights(norm), epsilon) : t)
  const turn = (t: tf.Tensor): tf.Tensor => (rotation ? rotate(t, rotation) : t)
  const sizes = [heads, keyValueHeads, keyValueHeads].map(count => count * headSize)
  const [query, key, value] = project(x, sites.inputs, sizes, env, biases.queryKeyValue)
  const q = turn(normed(splitHeads(query, batch, tokens, heads), sites.norms?.query))
  const k = turn(normed(splitHeads(key, batch, tokens, keyValueHeads), sites.norms?.key))
  const v = splitHeads(value, batch, tokens, keyValueHeads)
  const mixed = attend(q, k, v, env, { scale: scoreScale, cap: scoreCap, mask: length => masks(tokens, length, window) })
  return linear(mixed, sites.output, env, biases.output)
}
