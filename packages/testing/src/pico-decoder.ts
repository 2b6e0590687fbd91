import * as tf from '@tensorflow/tfjs-core'
import { createRng, hiddenOf, spansOf, turnPairs, type AttentionFacts, type Entries, type Env, type Model, type Stage } from '@tersor/core'
import { fromFloat32, memoryStore } from '@tersor/tensor'

const VOCABULARY = 24
const [HEADS, KEY_HEADS, SIZE] = [4, 2, 8]
const HIDDEN = HEADS * SIZE
const FACTS: AttentionFacts = {
  ...{ heads: HEADS, keyHeads: KEY_HEADS, size: SIZE, scale: 1 / Math.sqrt(SIZE), positions: 'rotated' },
  frequencies: () => Float32Array.from({ length: SIZE / 2 }, (_, pair) => 100 ** (-pair / (SIZE / 2))),
}

/** Each pair (i, i + size / 2) turned by its position; x: (batch, heads, tokens, size). */
const rotated = (x: tf.Tensor, from: number): tf.Tensor => {
  const angles = tf.outerProduct(tf.range(from, from + x.shape[2]!), tf.tensor1d(FACTS.frequencies!()!)) // (tokens, size / 2)
  return turnPairs(x, tf.cos(angles), tf.sin(angles))
}

/** softmax(scale · q · kᵀ + mask) · v of some rows; q: (rows, groups, tokens, size). */
const attended = (q: tf.Tensor, { keys, values, positions }: Entries): tf.Tensor => {
  const [rows, groups, tokens, size] = q.shape as [number, number, number, number]
  const width = keys.shape[1]!
  const places = positions ?? Int32Array.from({ length: width }, (_, i) => i)
  const lists = places.length / width
  const hidden = hiddenOf({ queries: places.slice(width - tokens, width), keys: places, rows: lists, window: null })
  const scores = tf.matMul(
    tf.mul(tf.reshape(q, [rows, groups * tokens, size]), FACTS.scale) as tf.Tensor3D,
    keys as tf.Tensor3D,
    false,
    true,
  )
  const grid = tf.reshape(scores, [rows, groups, tokens, width])
  const shares = tf.softmax(hidden ? tf.add(grid, tf.tensor(hidden, [lists, 1, tokens, width])) : grid, -1)
  return tf.reshape(tf.matMul(tf.reshape(shares, [rows, -1, width]) as tf.Tensor3D, values as tf.Tensor3D), [rows, groups, tokens, size])
}

const mix = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, { cache }: Env): tf.Tensor => {
  const [batch, , tokens] = q.shape as [number, number, number]
  const grouped = tf.reshape(q, [batch * KEY_HEADS, HEADS / KEY_HEADS, tokens, SIZE])
  cache?.observe?.(grouped)
  if (cache?.attend) return tf.reshape(cache.attend(tf.mul(tf.reshape(grouped, [batch * KEY_HEADS, -1, SIZE]), FACTS.scale), k, v), q.shape)
  const plain = { keys: tf.reshape(k, [-1, tokens, SIZE]), values: tf.reshape(v, [-1, tokens, SIZE]) }
  const held = cache?.append(k, v) ?? [plain]
  const each = spansOf(held).map(([from, to], i) => attended(tf.slice(grouped, [from, 0, 0, 0], [to - from, -1, -1, -1]), held[i]))
  return tf.reshape(tf.concat(each, 0), q.shape)
}

const block = (layer: number): Stage => {
  const names = ['q', 'k', 'v', 'o'].map(name => `layers.${layer}.${name}`)
  return {
    ...{ name: `layers.${layer}`, parameters: names, sites: [], attention: FACTS },
    run: (x, env) =>
      tf.tidy(() => {
        const [batch, tokens] = x.shape as [number, number, number]
        const rows = tf.reshape(x, [batch * tokens, HIDDEN]) as tf.Tensor2D
        const heads = (name: string, count: number): tf.Tensor =>
          tf.transpose(tf.reshape(tf.matMul(rows, env.weights(name) as tf.Tensor2D), [batch, tokens, count, SIZE]), [0, 2, 1, 3])
        const turned = rotated(tf.concat([heads(names[0], HEADS), heads(names[1], KEY_HEADS)], 1), env.cache?.next ?? 0)
        const [q, k] = tf.split(turned, [HEADS, KEY_HEADS], 1)
        const mixed = tf.transpose(mix(q, k, heads(names[2], KEY_HEADS), env), [0, 2, 1, 3]) // (batch, tokens, heads, size)
        const added = tf.matMul(tf.reshape(mixed, [batch * tokens, HIDDEN]), env.weights(names[3]) as tf.Tensor2D)
        return tf.reshape(tf.add(rows, added), x.shape)
      }),
  }
}

/** A decoder of two attention blocks over token ids (batch, tokens) below 24, for what works on caches: logits (batch, tokens, 24). */
export const picoDecoder = (seed = 1): Model => {
  const rng = createRng(seed)
  const random = (shape: readonly number[], deviation: number) =>
    fromFloat32(
      Float32Array.from({ length: shape[0] * shape[1] }, () => deviation * rng.normal()),
      'f32',
      shape,
    )
  const layers = [0, 1].flatMap((layer): [string, ReturnType<typeof random>][] => [
    [`layers.${layer}.q`, random([HIDDEN, HIDDEN], 0.3)],
    [`layers.${layer}.k`, random([HIDDEN, KEY_HEADS * SIZE], 0.3)],
    [`layers.${layer}.v`, random([HIDDEN, KEY_HEADS * SIZE], 0.3)],
    [`layers.${layer}.o`, random([HIDDEN, HIDDEN], 0.2)],
  ])
  const embed: Stage = {
    ...{ name: 'embed', parameters: ['embed'], sites: [] },
    run: (ids, env) => tf.gather(env.weights('embed'), tf.cast(ids, 'int32')),
  }
  const head: Stage = {
    ...{ name: 'head', parameters: ['embed'], sites: [] },
    run: (x, env) =>
      tf.tidy(() => {
        const logits = tf.matMul(tf.reshape(x, [-1, HIDDEN]), env.weights('embed') as tf.Tensor2D, false, true)
        return tf.reshape(logits, [x.shape[0], x.shape[1]!, VOCABULARY])
      }),
  }
  const params = memoryStore(Object.fromEntries([['embed', random([VOCABULARY, HIDDEN], 1)], ...layers]))
  return { params, stages: [embed, block(0), block(1), head] }
}
