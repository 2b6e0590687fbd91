import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { everything, type Band, type CausalBands, type Range } from './bands.js'
import { linear, rmsNorm, softCap } from './layers.js'
import type { LlamaConfig } from './llama-config.js'
import { rotate, type Rotation } from './rope.js'

/** What `attend` does besides the plain softmax. */
export interface AttendOptions {
  readonly scale: number
  /** Gives, for a number of keys, what the queries see of them; everything where absent. */
  readonly bands?: (keys: number) => readonly Band[]
  /** Soft limit of the scores. */
  readonly cap?: number | null
}

/** x[…, from:to, …] along an axis; x itself where that is all of it. */
const part = (x: tf.Tensor, axis: number, { from, to }: Range): tf.Tensor => {
  if (from === 0 && to === x.shape[axis]) return x
  const at = (value: number, otherwise: number): number[] => x.shape.map((_, i) => (i === axis ? value : otherwise))
  return tf.slice(x, at(from, 0), at(to - from, -1))
}

/** softmax(scale · q · kᵀ + hidden) · v of one band; q: (matrices, groups, tokens, size), k and v: (matrices, keys, size); like q. */
const attendBand = (
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  { queries, keys, hidden }: Band,
  { scale, cap }: Required<Pick<AttendOptions, 'scale' | 'cap'>>,
): tf.Tensor => {
  const rows = part(q, 2, queries)
  const [matrices, groups, count, size] = rows.shape as [number, number, number, number]
  const flat = tf.mul(tf.reshape(rows, [matrices, groups * count, size]), scale) as tf.Tensor3D
  const scores = tf.matMul(flat, part(k, 1, keys) as tf.Tensor3D, false, true) // (matrices, groups · count, keys)
  const grid = tf.reshape(cap === null ? scores : softCap(scores, cap), [matrices, groups, count, scores.shape[2]!])
  const hides = hidden()
  const shares = tf.softmax(hides ? tf.add(grid, hides) : grid, -1)
  return tf.reshape(tf.matMul(tf.reshape(shares, scores.shape), part(v, 1, keys) as tf.Tensor3D), rows.shape)
}

/**
 * softmax(scale · q · kᵀ + mask) · v over the positions of the cache and the new ones, heads side by side: (batch · tokens, heads · size).
 * Query heads that share keys stand as rows of one product, so keys are never repeated.
 * q: (batch, heads, tokens, size); k and v: (batch, key heads, keys, size).
 */
export const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, env: Env, { scale, bands, cap = null }: AttendOptions): tf.Tensor => {
  const [batch, heads, tokens, size] = q.shape as [number, number, number, number]
  const matrices = batch * k.shape[1]!
  const groups = heads / k.shape[1]!
  const attendAll = (): tf.Tensor => {
    const { keys, values } = env.cache ? env.cache.append(k, v) : { keys: k, values: v }
    const length = keys.shape[2]!
    const grouped = tf.reshape(q, [matrices, groups, tokens, size])
    const [allKeys, allValues] = [keys, values].map(t => tf.reshape(t, [matrices, length, size])) as [tf.Tensor, tf.Tensor]
    const mixed = (bands?.(length) ?? [everything(tokens, length)]).map(band =>
      attendBand(grouped, allKeys, allValues, band, { scale, cap }),
    )
    return mixed.length === 1 ? mixed[0] : tf.concat(mixed, 2) // (matrices, groups, tokens, size)
  }
  const scaledRows = () => tf.mul(tf.reshape(q, [matrices, groups * tokens, size]), scale) as tf.Tensor3D
  const mixed = env.cache?.attend ? env.cache.attend(scaledRows(), k, v, cap) : attendAll()
  const rows = tf.transpose(tf.reshape(mixed, [batch, heads, tokens, size]), [0, 2, 1, 3]) // (batch, tokens, heads, size)
  return tf.reshape(rows, [batch * tokens, heads * size])
}

/** (batch · tokens, heads · size) → (batch, heads, tokens, size). */
const splitHeads = (rows: tf.Tensor, batch: number, tokens: number, heads: number): tf.Tensor =>
  tf.transpose(tf.reshape(rows, [batch, tokens, heads, rows.shape[1]! / heads]), [0, 2, 1, 3])

/** Queries, keys and values of some rows, from one site for all three or one for each; `sizes` are their widths. */
export const project = (x: tf.Tensor, inputs: readonly Site[], sizes: readonly number[], env: Env, bias: boolean): readonly tf.Tensor[] =>
  inputs.length === 1 ? tf.split(linear(x, inputs[0], env, bias), [...sizes], -1) : inputs.map(site => linear(x, site, env, bias))

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
    bands,
  }: { sites: Pick<AttentionSites, 'inputs' | 'output'>; batch: number; heads: number; bands?: (keys: number) => readonly Band[] },
): tf.Tensor => {
  const [rows, hidden] = x.shape as [number, number]
  const split = (t: tf.Tensor) => splitHeads(t, batch, rows / batch, heads)
  const [q, k, v] = project(x, sites.inputs, [hidden, hidden, hidden], env, true).map(split)
  const mixed = attend(q, k, v, env, { scale: 1 / Math.sqrt(hidden / heads), ...(bands ? { bands } : {}) })
  return linear(mixed, sites.output, env, true)
}

export interface AttentionOptions {
  readonly config: LlamaConfig
  readonly sites: AttentionSites
  readonly batch: number
  readonly tokens: number
  /** Absent in layers without rotation. */
  readonly rotation?: Rotation
  readonly bands: CausalBands
  readonly window: number | null
}

/** Grouped-query attention of the Llama family, with the output projection; x: (batch · tokens, hidden). */
export const attention = (x: tf.Tensor, env: Env, options: AttentionOptions): tf.Tensor => {
  const { config, sites, batch, tokens, rotation, bands, window } = options
  const { heads, keyValueHeads, headSize, biases, epsilon, scoreScale, scoreCap } = config
  const normed = (t: tf.Tensor, norm?: string): tf.Tensor => (norm ? rmsNorm(t, env.weights(norm), epsilon) : t)
  const turn = (t: tf.Tensor): tf.Tensor => (rotation ? rotate(t, rotation) : t)
  const sizes = [heads, keyValueHeads, keyValueHeads].map(count => count * headSize)
  const [query, key, value] = project(x, sites.inputs, sizes, env, biases.queryKeyValue)
  const q = turn(normed(splitHeads(query, batch, tokens, heads), sites.norms?.query))
  const k = turn(normed(splitHeads(key, batch, tokens, keyValueHeads), sites.norms?.key))
  const v = splitHeads(value, batch, tokens, keyValueHeads)
  const mixed = attend(q, k, v, env, { scale: scoreScale, cap: scoreCap, bands: keys => bands(tokens, keys, window) })
  return linear(mixed, sites.output, env, biases.output)
}
