import * as tf from '@tensorflow/tfjs-core'
import type { Entries, Env, Site } from '@tersor/core'
import { HIDDEN_FROM_SIGHT } from '@tersor/core/hidden'
import { spansOf } from '@tersor/core/entries'
import { attendBand, logitsOf, type Scores } from './band-attention.js'
import { bandsOver, everything, type Band, type CausalBands } from './bands.js'
import { part } from './part.js'
import { linear, rmsNorm } from './layers.js'
import type { BlockWidths, LlamaConfig } from './llama-config.js'
import { inOrder, rotate, type Rotation } from './rope.js'

/** What `attend` does besides the plain softmax. */
export interface AttendOptions {
  /** The name of the module, which places for `env.probe` begin with. */
  readonly module: string
  readonly scale: number
  /** What the queries see of entries, the last of which are their own; everything where absent. */
  readonly bands?: (entries: Entries) => readonly Band[]
  /** Soft limit of the scores. */
  readonly cap?: number | null
}

/** Query heads and the entries that they look at. */
interface Rows {
  /** (rows, groups, tokens, size) */
  readonly q: tf.Tensor
  readonly entries: Entries
  readonly bands: readonly Band[]
}

/** The logits of all bands as one, with HIDDEN_FROM_SIGHT where no band looks; (rows, groups, tokens, width). */
const allLogits = ({ q, entries, bands }: Rows, width: number, how: Scores): tf.Tensor => {
  const whole = bands.map(band => {
    const { from, to } = band.keys
    return tf.pad(logitsOf(q, entries.keys, band, how), [[0, 0], [0, 0], [0, 0], [from, width - to]], HIDDEN_FROM_SIGHT) // prettier-ignore
  })
  return joined(whole, 2)
}

const joined = (each: readonly tf.Tensor[], axis: number): tf.Tensor => (each.length === 1 ? each[0] : tf.concat([...each], axis))

/** The query heads of each run of rows that hold equally many entries. */
const rowsOf = (grouped: tf.Tensor, held: readonly Entries[], bands: (entries: Entries) => readonly Band[]): readonly Rows[] => {
  return spansOf(held).map(([from, to], i) => ({ q: part(grouped, 0, { from, to }), entries: held[i], bands: bands(held[i]) }))
}

/**
 * softmax(scale · q · kᵀ + mask) · v over the positions of the cache and the new ones, heads side by side: (batch · tokens, heads · size).
 * Query heads that share keys stand as rows of one product, so keys are never repeated.
 * q: (batch, heads, tokens, size); k and v: (batch, key heads, tokens, size).
 */
export const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, env: Env, options: AttendOptions): tf.Tensor => {
  const { module, scale, cap = null } = options
  const [batch, heads, tokens, size] = q.shape as [number, number, number, number]
  const matrices = batch * k.shape[1]!
  const groups = heads / k.shape[1]!
  const grouped = tf.reshape(q, [matrices, groups, tokens, size])
  const attendAll = (): tf.Tensor => {
    const [keys, values] = [k, v].map(t => tf.reshape(t, [matrices, t.shape[2]!, size]))
    const held = env.cache?.append(k, v) ?? [{ keys, values }]
    const each = rowsOf(grouped, held, options.bands ?? (entries => [everything(tokens, entries.keys.shape[1]!)]))
    const width = Math.max(...held.map(entries => entries.keys.shape[1]!))
    const logits = () => tf.reshape(joined(each.map(rows => allLogits(rows, width, { scale, cap })), 0), [batch, heads, tokens, width]) // prettier-ignore
    env.probe?.(`${module}.logits`, logits)
    env.probe?.(`${module}.shares`, () => tf.softmax(logits(), -1))
    const mixed = each.map(
      ({ q: rows, entries, bands }) =>
      joined(bands.map(band => attendBand(rows, entries.keys, entries.values, band, { scale, cap })), 2), // prettier-ignore
    )
    return joined(mixed, 0) // (matrices, groups, tokens, size)
  }
  env.probe?.(`${module}.queries`, () => q)
  env.probe?.(`${module}.keys`, () => k)
  env.probe?.(`${module}.values`, () => v)
  env.cache?.observe?.(grouped)
  const scaledRows = () => tf.mul(tf.reshape(q, [matrices, groups * tokens, size]), scale) as tf.Tensor3D
  const mixed = env.cache?.attend ? env.cache.attend(scaledRows(), k, v, cap) : attendAll()
  const rows = tf.transpose(tf.reshape(mixed, [batch, heads, tokens, size]), [0, 2, 1, 3]) // (batch, tokens, heads, size)
  return tf.reshape(rows, [batch * tokens, heads * size])
}

/** What holds the projections of an attention block: "model.layers.0.self_attn" of its q_proj. */
const moduleOf = ({ inputs }: Pick<AttentionSites, 'inputs'>): string => inputs[0].name.replace(/\.[^.]*$/, '')

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
    widths: { heads, size },
    bands,
  }: {
    sites: Pick<AttentionSites, 'inputs' | 'output'>
    batch: number
    widths: { readonly heads: number; readonly size: number }
    bands?: AttendOptions['bands']
  },
): tf.Tensor => {
  const split = (t: tf.Tensor) => splitHeads(t, batch, x.shape[0] / batch, heads)
  const width = heads * size
  const [q, k, v] = project(x, sites.inputs, [width, width, width], env, true).map(split)
  const mixed = attend(q, k, v, env, { module: moduleOf(sites), scale: 1 / Math.sqrt(size), ...(bands ? { bands } : {}) })
  return linear(mixed, sites.output, env, true)
}

export interface AttentionOptions {
  readonly config: LlamaConfig
  readonly widths: BlockWidths
  readonly sites: AttentionSites
  readonly batch: number
  readonly tokens: number
  /** Absent in layers without rotation. */
  readonly rotation?: Rotation
  /** The parameter that says which frequency turns each pair of each key head, where heads are sorted. */
  readonly pairs?: string
  readonly bands: CausalBands
  readonly window: number | null
}

/** Grouped-query attention of the Llama family, with the output projection; x: (batch · tokens, hidden). */
export const attention = (x: tf.Tensor, env: Env, options: AttentionOptions): tf.Tensor => {
  const { config, widths, sites, batch, tokens, rotation, pairs, bands, window } = options
  const { heads, keyValueHeads, headSize } = widths
  const { biases, epsilon, scoreScale, scoreCap } = config
  const normed = (t: tf.Tensor, norm?: string): tf.Tensor => (norm ? rmsNorm(t, env.weights(norm), epsilon) : t)
  const turn = (t: tf.Tensor, groups = 1): tf.Tensor =>
    rotation ? rotate(t, pairs ? inOrder(rotation, env.weights(pairs), groups) : rotation) : t
  const sizes = [heads, keyValueHeads, keyValueHeads].map(count => count * headSize)
  const [query, key, value] = project(x, sites.inputs, sizes, env, biases.queryKeyValue)
  const q = turn(normed(splitHeads(query, batch, tokens, heads), sites.norms?.query), heads / keyValueHeads)
  const k = turn(normed(splitHeads(key, batch, tokens, keyValueHeads), sites.norms?.key))
  const v = splitHeads(value, batch, tokens, keyValueHeads)
  const mixed = attend(q, k, v, env, {
    module: moduleOf(sites),
    scale: scoreScale,
    cap: scoreCap,
    bands: entries => bandsOver(bands, tokens, entries, window),
  })
  return linear(mixed, sites.output, env, biases.output)
}
