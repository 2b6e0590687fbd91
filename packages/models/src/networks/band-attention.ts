import * as tf from '@tensorflow/tfjs-core'
import { attentionGradients } from '@tersor/kernels/attention-gradients'
import { softCap } from '@tersor/kernels/soft-cap'
import { isLong, type Band, type Range } from './bands.js'
import { part } from './part.js'

/** How scores come of products. */
export interface Scores {
  readonly scale: number
  /** Soft limit, cap · tanh(score / cap). */
  readonly cap: number | null
}

/** scale · q of one band, its groups side by side: (matrices, groups · queries, size). */
const rowsOf = (q: tf.Tensor, { queries }: Band, { scale }: Scores): tf.Tensor3D => {
  const rows = part(q, 2, queries)
  const [matrices, groups, count, size] = rows.shape as [number, number, number, number]
  return tf.mul(tf.reshape(rows, [matrices, groups * count, size]), scale)
}

const keysOf = (k: tf.Tensor, { keys }: Band): tf.Tensor3D => part(k, 1, keys) as tf.Tensor3D

/** The limited scores and what hides some; (matrices, groups, queries, keys of the band). */
const maskedScores = (scores: tf.Tensor3D, { queries, hidden }: Band): tf.Tensor => {
  const [matrices, rows, keys] = scores.shape
  const count = queries.to - queries.from
  const grid = tf.reshape(scores, [matrices, rows / count, count, keys])
  const hides = hidden()
  return hides ? tf.add(grid, hides) : grid
}

/** scale · q · kᵀ + hidden of one band; q: (matrices, groups, tokens, size), k: (matrices, keys, size); (matrices, groups, queries, keys of the band). */
export const logitsOf = (q: tf.Tensor, k: tf.Tensor, band: Band, how: Scores): tf.Tensor =>
  maskedScores(softCap(tf.matMul(rowsOf(q, band, how), keysOf(k, band), false, true), how.cap), band)

/** softmax(logits) in the shape that its product reads: (matrices, groups · queries, keys of the band). */
const sharesOf = (logits: tf.Tensor): tf.Tensor3D => {
  const [matrices, groups, count, keys] = logits.shape as [number, number, number, number]
  return tf.softmax(tf.reshape(logits, [matrices, groups * count, keys]) as tf.Tensor3D, -1)
}

/** softmax(logits) · v of one band; v: (matrices, keys, size), result (matrices, groups, queries, size). */
const mixed = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, band: Band, how: Scores): tf.Tensor => {
  const logits = logitsOf(q, k, band, how)
  const [matrices, groups, count] = logits.shape as [number, number, number, number]
  return tf.reshape(tf.matMul(sharesOf(logits), keysOf(v, band)), [matrices, groups, count, v.shape[2]!])
}

/** A gradient of a range along an axis as that of all of it. */
const spread = (gradient: tf.Tensor, axis: number, { from, to }: Range, size: number): tf.Tensor =>
  tf.pad(gradient, gradient.shape.map((_, i) => (i === axis ? [from, size - to] : [0, 0]) as [number, number])) // prettier-ignore

/** Gradients of all queries, keys and values by one band, whose shares are made again. */
const gradients = (dy: tf.Tensor, [q, k, v]: readonly tf.Tensor[], band: Band, how: Scores): tf.Tensor[] => {
  const [rows, keys, values] = [rowsOf(q, band, how), keysOf(k, band), keysOf(v, band)]
  const scores = softCap(tf.matMul<tf.Tensor3D>(rows, keys, false, true), how.cap)
  const shares = sharesOf(maskedScores(scores, band))
  const own = tf.reshape<tf.Rank.R3>(dy, [rows.shape[0], rows.shape[1], values.shape[2]])
  const { dq, dk, dv } = attentionGradients({ q: rows, k: keys, v: values, scores, shares, dy: own }, how.cap)
  const [matrices, groups, tokens, size] = q.shape as [number, number, number, number]
  const toQueries = tf.reshape(tf.mul(dq, how.scale), [matrices, groups, -1, size])
  return [spread(toQueries, 2, band.queries, tokens), ...[dk, dv].map(each => spread(each, 1, band.keys, k.shape[1]!))]
}

/**
 * softmax(scale · q · kᵀ + hidden) · v of one band; q: (matrices, groups, tokens, size), k and v: (matrices, keys, size), result
 * (matrices, groups, queries, size). Of a long text a gradient makes the shares again: all of them would grow with the square of its length.
 */
export const attendBand = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, band: Band, how: Scores): tf.Tensor => {
  if (!isLong(q.shape[2]!, k.shape[1]!)) return tf.tidy(() => mixed(q, k, v, band, how))
  const compute = tf.customGrad((...given) => {
    const inputs = given.slice(0, 3) as tf.Tensor[]
    const save = given[3] as unknown as (tensors: tf.Tensor[]) => void
    save(inputs)
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => tf.tidy(() => gradients(dy, saved, band, how))
    return { value: mixed(inputs[0], inputs[1], inputs[2], band, how), gradFunc }
  })
  return compute(q, k, v)
}
