import * as tf from '@tensorflow/tfjs-core'
import type { Rng } from '../run/rng.js'
import { passesOver } from './data/order.js'
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

/**
 * Batches of so many rows of the calibration inputs, in an order of their own in each round over them; the inputs stay the caller's, and
 * the batch of a step depends on nothing but the step and the seed.
 */
export const calibrationData = (batches: readonly tf.Tensor[], rows: number, rng: Rng): ((step: number) => Batch) => {
  const all = rowsOf(batches)
  const order = passesOver(all.length, rows, round => rng.fork(`round ${round}`))
  return step => ({
    input: tf.tidy(() =>
      tf.concat(
        [...order(step)].map(place => {
          const [batch, row] = all[place]
          return tf.slice(batch, row, 1)
        }),
      ),
    ),
  })
}
