/** How far logits over a small cache are from those over a whole one, of the tokens that perplexity scores. */
import { loadModel, openCaches, piecesOf, type CachePlan, type Caches } from '@tersor/core'
import type { LanguageModel } from '@tersor/models'
import * as tf from '@tensorflow/tfjs-core'

const ROWS = 8
const STEP = 16

/** ‖small − whole‖ / ‖whole‖ over windows of equal length, read as a prompt of half of each and then some tokens at a time. */
export const logitsApart = async (
  model: LanguageModel,
  windows: readonly (readonly number[])[],
  cache: CachePlan,
  seed: number,
): Promise<number> => {
  const loaded = await loadModel(model)
  const [length] = windows.map(window => window.length)
  let [difference, whole] = [0, 0]
  /** Logits of some columns, whose tensor the caller frees. */
  const read = async (caches: Caches, ids: tf.Tensor2D): Promise<tf.Tensor> => {
    const all: tf.Tensor[] = []
    for (const { from, to, pause } of piecesOf(caches, ids.shape[1])) {
      all.push(tf.tidy(() => caches.forward(tf.slice(ids, [0, from], [-1, to - from]), loaded)))
      await caches.settle(pause)
    }
    const joined = tf.concat(all, 1)
    tf.dispose(all)
    return joined
  }
  for (let row = 0; row < windows.length; row += ROWS) {
    const group = windows.slice(row, row + ROWS)
    const [small, exact] = [openCaches(model, cache, { seed }), openCaches(model)]
    for (let from = 0, to = length / 2; from < length; from = to, to = Math.min(length, to + STEP)) {
      const ids = tf.tensor2d(group.map(window => window.slice(from, to)), undefined, 'int32') // prettier-ignore
      const [got, wanted] = [await read(small, ids), await read(exact, ids)]
      const squares = tf.tidy(() => tf.stack([tf.sum(tf.square(tf.sub(got, wanted))), tf.sum(tf.square(wanted))]))
      const [far, size] = await squares.data()
      if (from > 0) [difference, whole] = [difference + far, whole + size]
      tf.dispose([ids, got, wanted, squares])
    }
    for (const each of [small, exact]) each.dispose()
  }
  loaded.dispose()
  return Math.sqrt(difference / whole)
}
