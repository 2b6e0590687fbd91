import {
  defineEncoding,
  factoredOf,
  fraction,
  knownFrequencies,
  positionedOf,
  required,
  turnedToPositions,
  type EncodingView,
} from '@tersor/core'
import { flat } from '@tersor/core/entries'
import { powerFactors } from '@tersor/kernels/power-factors'
import type { Parameter } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { exactOptions } from './exact-window.js'
import { halvesOf } from './tensor-trees.js'

/** The positions of rows, one list where all have the same. */
export const positionsOfRows = (lists: readonly Int32Array[]): Int32Array => {
  const same = lists.every(list => list.every((position, i) => position === lists[0][i]))
  return same ? lists[0] : flat(lists)
}

/** Keys as they were before they were turned by their positions. */
export const unturned = (keys: tf.Tensor3D, positions: Int32Array, frequencies: Float32Array): tf.Tensor3D =>
  tf.tidy(() => turnedToPositions(keys, tf.tensor1d(positions, 'int32'), tf.tensor1d(frequencies), -1) as tf.Tensor3D)

const factorsOf = async (x: tf.Tensor3D, keep: number, view: EncodingView, what: string): Promise<Parameter> => {
  const { u, v } = powerFactors(x, Math.max(1, Math.round(keep * x.shape[2])), { rng: view.rng.fork(what) })
  return factoredOf(await halvesOf(u), await halvesOf(v))
}

/**
 * Keeps the leading directions of the entries of each head: X ≈ U · V, U (entries, rank), V (rank, size), rank = keep · size.
 * Keys are factored as they were before they were turned by their positions, where their directions are fewer, and turned again.
 * 16 · keep · (1 + size / entries) bits an element; nothing is fitted before. Throws BAD_OPTION; UNSUPPORTED for a rotation that follows the text.
 */
export const lowRankCache = defineEncoding({
  name: 'low-rank-cache',
  summary: 'keeps the leading directions of the entries of each head',
  options: {
    keep: required(fraction({ inclusive: true, doc: 'rank as a share of the channels of a head' })),
    ...exactOptions({ recent: 32, block: 128 }),
  },
  make: ({ keep, recent, block }) => ({
    kind: 'encoding',
    needs: {},
    exact: { recent, block },
    encode: async ({ keys, values, positions }, view) => {
      const frequencies = knownFrequencies(view.layer.attention, 'low-rank-cache')
      const at = positionsOfRows(positions)
      const still = frequencies ? unturned(keys, at, frequencies) : tf.clone(keys)
      try {
        const factors = await factorsOf(still, keep, view, 'keys')
        return [{ keys: frequencies ? positionedOf(factors, at, frequencies) : factors, values: await factorsOf(values, keep, view, 'values') }] // prettier-ignore
      } finally {
        still.dispose()
      }
    },
  }),
})
