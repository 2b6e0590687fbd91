import * as tf from '@tensorflow/tfjs-core'
import type { Rng } from '../run/rng.js'
import type { Batch } from './losses.js'

/** Where a row of a batch is. */
type Row = readonly [batch: tf.Tensor, row: number]

/** Rows of the shape that most of them have; a text's last window may be shorter. */
const rowsOf = (batches: readonly tf.Tensor[]): readonly Row[] => {
  const groups = new Map<string, Row[]>()
  for (const batch of batches) {
    const shape = `${batch.dtype}[${batch.shape.slice(1)}]`
    const rows = groups.get(shape) ?? []
    for (let row = 0; row < (batch.shape[0] ?? 0); row++) rows.push([batch, row])
    groups.set(shape, rows)
  }
  return [...groups.values()].reduce<readonly Row[]>((most, rows) => (rows.length > most.length ? rows : most), [])
}

const shuffled = (count: number, rng: Rng): readonly number[] => {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = rng.integer(i + 1)
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}

/**
 * Batches of so many rows of the calibration inputs, in an order of their own in each round over them; the inputs stay the caller's, and
 * the batch of a step depends on nothing but the step and the seed.
 */
export const calibrationData = (batches: readonly tf.Tensor[], rows: number, rng: Rng): ((step: number) => Batch) => {
  const all = rowsOf(batches)
  const orders = new Map<number, readonly number[]>()
  const orderOf = (round: number): readonly number[] => {
    const order = orders.get(round) ?? shuffled(all.length, rng.fork(`round ${round}`))
    if (!orders.has(round)) orders.clear()
    orders.set(round, order)
    return order
  }
  const rowAt = (place: number): Row => all[orderOf(Math.floor(place / all.length))[place % all.length]]
  return step => ({
    input: tf.tidy(() =>
      tf.concat(
        Array.from({ length: rows }, (_, i) => {
          const [batch, row] = rowAt(step * rows + i)
          return tf.slice(batch, row, 1)
        }),
      ),
    ),
  })
}
