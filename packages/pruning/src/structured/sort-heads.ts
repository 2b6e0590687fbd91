import * as tf from '@tensorflow/tfjs-core'
import type { Channels, RotaryPairs, Rotation, Visit } from '@tersor/core'
import { fromIntegers, takeAlong, toInt32, type Dense } from '@tersor/tensor'
import { timesEach, withBias } from './head-channels.js'
import { headBasis } from './head-basis.js'
import { bestFirst } from './ridge-order.js'

/** Σ x̂ᵀx̂ of what queries, keys and values read with a 1 behind it, (in + 1, in + 1), and over how many rows. */
export interface InputMoments {
  readonly sum: tf.Tensor2D
  readonly rows: number
}

const readRows = async ({ dense }: Visit, channels: readonly Channels[]): Promise<tf.Tensor2D> =>
  withBias(await Promise.all(channels.map(async each => [await dense(each.parameter), each] as const)))

const doubles = async (tensor: tf.Tensor): Promise<Float64Array> => {
  try {
    return Float64Array.from(await tensor.data())
  } finally {
    tensor.dispose()
  }
}

/** E[y²] of a run of channels, (count). */
const energies = async (visit: Visit, channels: readonly Channels[], { sum, rows }: InputMoments): Promise<Float64Array> => {
  const weight = await readRows(visit, channels)
  const made = tf.tidy(() => tf.relu(tf.div(tf.sum(tf.mul(tf.matMul(weight, sum), weight), 1), rows)))
  weight.dispose()
  return doubles(made)
}

/** E[v vᵀ] of each key head, (heads, size, size). */
const valueMoments = async (visit: Visit, { size, from }: Rotation, { sum, rows }: InputMoments): Promise<Float64Array> => {
  const weight = await readRows(visit, from)
  const made = tf.tidy(() => {
    const seen = tf.div(tf.matMul(weight, sum), rows)
    const [left, right] = [seen, weight].map(each => tf.reshape(each, [weight.shape[0] / size, size, -1]) as tf.Tensor3D) // (count, in) -> (heads, size, in)
    return tf.matMul(left, right, false, true)
  })
  weight.dispose()
  return doubles(made)
}

/** Σ W_O W_Oᵀ over the heads that read each key head, (heads, size, size). */
const readerMoments = async ({ dense }: Visit, { size, to }: Rotation, heads: number): Promise<Float64Array> => {
  const output = withBias([[await dense(to[0].parameter), to[0]]])
  const made = tf.tidy(() => {
    const groups = output.shape[0] / (heads * size)
    const grouped = tf.transpose(tf.reshape(output, [heads, groups, size, -1]), [0, 2, 1, 3]) // (heads · groups · size, out) -> (heads, size, groups, out)
    const rows = tf.reshape(grouped, [heads, size, -1]) as tf.Tensor3D
    return tf.matMul(rows, rows, false, true)
  })
  output.dispose()
  return doubles(made)
}

/** Puts each head's values in the basis in which the first of them give most. */
export const sortValues = async (visit: Visit, rotation: Rotation, moments: InputMoments): Promise<void> => {
  const { size, from, to } = rotation
  const heads = from[0].count / size
  const groups = to[0].count / from[0].count
  const [seen, read] = [await valueMoments(visit, rotation, moments), await readerMoments(visit, rotation, heads)]
  const [square, values, readers] = [size * size, new Float32Array(seen.length), new Float32Array(seen.length * groups)]
  for (let head = 0; head < heads; head++) {
    const of = (all: Float64Array): Float64Array => all.slice(head * square, (head + 1) * square)
    const basis = await headBasis(of(seen), of(read), size)
    values.set(basis.values, head * square)
    for (let group = 0; group < groups; group++) readers.set(basis.readers, (head * groups + group) * square)
  }
  const change = async (channels: readonly Channels[], matrices: Float32Array): Promise<void> => {
    const each = tf.tensor3d(matrices, [matrices.length / square, size, size])
    try {
      for (const run of channels) visit.replace(run.parameter, await timesEach(await visit.dense(run.parameter), run, each))
    } finally {
      each.dispose()
    }
  }
  await change(from, values)
  await change(to, readers)
}

/** √ Σ over query heads of E‖q‖² · E‖k‖² of each pair of each key head, norms over both members, which no position changes; (key heads, pairs). */
export const pairScores = (queries: Float64Array, keys: Float64Array, size: number): Float64Array => {
  const half = size / 2
  const groups = queries.length / keys.length
  const energy = (of: Float64Array, head: number, pair: number): number => of[head * size + pair] + of[head * size + half + pair]
  return Float64Array.from({ length: keys.length / 2 }, (_, at) => {
    const [head, pair] = [Math.floor(at / half), at % half]
    let sum = 0
    for (let group = 0; group < groups; group++) sum += energy(queries, head * groups + group, pair)
    return Math.sqrt(sum * energy(keys, head, pair))
  })
}

/** Channels head by head in the order of their key head's pairs; order: (key heads, pairs), each from its own head's first on. */
const reordered = (dense: Dense, { axis, start = 0, count }: Channels, order: Int32Array, half: number, groups: number): Dense => {
  const kept = Int32Array.from({ length: dense.shape[axis] }, (_, at) => at)
  for (let at = 0; at < count; at++) {
    const [vector, place] = [Math.floor(at / half), at % half] // halves of heads
    kept[start + at] = start + vector * half + order[Math.floor(vector / (2 * groups)) * half + place]
  }
  return takeAlong(dense, axis, kept)
}

/** Puts the rotary pairs of each key head and its queries in an order, and writes which frequency turns each. */
export const sortPairs = async (visit: Visit, pairs: RotaryPairs, moments: InputMoments): Promise<void> => {
  const { size, groups, queries, keys, table } = pairs
  const half = size / 2
  const scores = pairScores(await energies(visit, queries, moments), await energies(visit, keys, moments), size)
  const best = bestFirst(scores.map(score => -score), half) // prettier-ignore
  const order = Int32Array.from(best, unit => unit % half)
  for (const run of queries) visit.replace(run.parameter, reordered(await visit.dense(run.parameter), run, order, half, groups))
  for (const run of keys) visit.replace(run.parameter, reordered(await visit.dense(run.parameter), run, order, half, 1))
  const before = visit.params.names().includes(table) ? toInt32(await visit.dense(table)) : undefined
  const turned = before ? Int32Array.from(best, unit => before[unit]) : order
  visit.replace(table, fromIntegers(turned, 'i32', [turned.length / half, half]))
}
