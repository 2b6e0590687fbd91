import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import { HIDDEN_FROM_SIGHT } from '@tersor/kernels/hidden-from-sight'
import { softCap } from '@tersor/kernels/soft-cap'
import { attendCodes, type Held } from './attend-codes.js'
import { spansOf } from './entries.js'
import { hiddenOf } from './hidden.js'
import { entriesOf } from './page.js'
import { queriesTimes, sharesTimes } from './tree-products.js'

/** Entries of some rows, and products with them. */
interface Segment {
  readonly from: number
  readonly to: number
  readonly width: number
  /** (entries) or (rows · entries); entry i at i where absent. */
  readonly positions: Int32Array | undefined
  readonly counts?: Float32Array | undefined
  /** (rows, queries, size) → (rows, queries, entries) */
  scores(q: tf.Tensor3D): tf.Tensor3D
  /** (rows, queries, entries) → (rows, queries, size) */
  mix(shares: tf.Tensor3D): tf.Tensor3D
}

const segmentsOf = ({ pages, held }: Held): readonly Segment[] => [
  ...pages.map((page): Segment => ({
    ...{ from: page.from, to: page.to, width: entriesOf(page), positions: page.positions, counts: page.counts },
    scores: q => queriesTimes(q, page.keys),
    mix: shares => sharesTimes(shares, page.values),
  })),
  ...spansOf(held).map(([from, to], i): Segment => {
    const { keys, values, positions, counts } = held[i]
    return {
      ...{ from, to, width: keys.shape[1]!, positions, counts },
      scores: q => tf.matMul(q, keys as tf.Tensor3D, false, true),
      mix: shares => tf.matMul(shares, values as tf.Tensor3D),
    }
  }),
]

/** Rows of a layer, of which these are some: the others are filled up. */
const amongAll = (x: tf.Tensor3D, { from, to }: Segment, rows: number, value: number): tf.Tensor3D =>
  from === 0 && to === rows ? x : tf.pad(x, [[from, rows - to], [0, 0], [0, 0]], value) // prettier-ignore

const rowsOf = (x: tf.Tensor3D, { from, to }: Segment): tf.Tensor3D =>
  from === 0 && to === x.shape[0] ? x : tf.slice(x, [from, 0, 0], [to - from, -1, -1])

/** What is added to the scores, (rows or 1, 1, queries or 1, entries); undefined where that is nothing. */
const addedTo = ({ positions, width, from, to, counts }: Segment, { queries, window }: Held): tf.Tensor | undefined => {
  const keys = positions ?? Int32Array.from({ length: width }, (_, i) => i)
  const rows = keys.length / width
  const hidden = hiddenOf({ queries, keys, rows, window })
  const mask = hidden && tf.tensor(hidden, [rows, 1, queries.length, width])
  if (!counts) return mask
  const merged = tf.tensor(counts.map(Math.log), [to - from, 1, 1, width])
  return mask ? tf.add(mask, merged) : merged
}

const scoresOf = (q: tf.Tensor3D, segment: Segment, held: Held, cap: number | null): tf.Tensor3D => {
  const scores = softCap(segment.scores(rowsOf(q, segment)), cap) // (rows, groups · tokens, entries)
  const added = addedTo(segment, held)
  if (!added) return scores
  const grid = tf.reshape(scores, [scores.shape[0], -1, held.queries.length, segment.width])
  return tf.reshape(tf.add(grid, added), scores.shape)
}

/**
 * softmax(q · [pages, held]ᵀ + mask + log counts) · [pages, held], inside a tidy; codes are multiplied as they are.
 * q: (rows, groups · tokens, size), scaled already; scores are kept within ± cap.
 */
export const attendHeld = (q: tf.Tensor3D, held: Held, cap: number | null): tf.Tensor3D => {
  const onHost = attendCodes(q, held, cap)
  if (onHost) return onHost
  const rows = q.shape[0]
  const segments = segmentsOf(held)
  const scores = segments.map(segment => amongAll(scoresOf(q, segment, held, cap), segment, rows, HIDDEN_FROM_SIGHT))
  const shares = tf.softmax(scores.length === 1 ? scores[0] : tf.concat(scores, 2), -1)
  const widths = segments.map(({ width }) => width)
  const each = segments.length === 1 ? [shares] : (tf.split(shares, widths, 2) as tf.Tensor3D[])
  const mixed = segments.map((segment, i) => amongAll(segment.mix(rowsOf(each[i], segment)), segment, rows, 0))
  return mixed.length === 1 ? mixed[0] : addTensors(mixed)
}
