import * as tf from '@tensorflow/tfjs-core'
import { queriesTimesRows, sharesTimesRows, softmaxOver } from '@tersor/kernels/row-products'
import { multipliesTiles, queriesTimesTiles, sharesTimesTiles, type TiledMatrices } from '@tersor/kernels/tile-products'
import type { Parameter } from '@tersor/tensor'
import { tiledMatrices } from '../codecs/tiled.js'
import { spansOf } from './entries.js'
import { hiddenOf } from './hidden.js'
import type { Entries } from './layer-cache.js'
import { entriesOf, type Page } from './page.js'

/** What attention goes over. */
export interface Held {
  readonly pages: readonly Page[]
  /** Exact entries, the last of which are the queries' own. */
  readonly held: readonly Entries[]
  /** Positions of the queries. */
  readonly queries: Int32Array
  readonly window: number | null
}

/** Entries of some rows, with products of `count` queries a row. */
interface Part {
  readonly from: number
  readonly to: number
  readonly width: number
  readonly positions: Int32Array | undefined
  readonly counts: Float32Array | undefined
  /** (rows, count, size) → (rows, count, width) */
  scores(q: Float32Array): Float32Array
  /** (rows, count, width) → (rows, count, size) */
  mix(shares: Float32Array): Float32Array
}

/** Codes of a tree that are multiplied as they are. */
const codesIn = (tree: Parameter, count: number): TiledMatrices | undefined => {
  if (tree.kind === 'dense' || tree.codec.name !== 'tiled') return undefined
  const codes = tiledMatrices(tree)
  return multipliesTiles(codes, count) ? codes : undefined
}

/** All that is held, as parts; undefined where a page has codes that are not multiplied as they are. */
const partsOf = ({ pages, held }: Held, count: number): readonly Part[] | undefined => {
  const parts: Part[] = []
  for (const page of pages) {
    const [keys, values] = [codesIn(page.keys, count), codesIn(page.values, count)]
    if (!keys || !values) return undefined
    const { from, to, positions, counts } = page
    const products = { scores: (q: Float32Array) => queriesTimesTiles(q, count, keys), mix: (p: Float32Array) => sharesTimesTiles(p, count, values) } // prettier-ignore
    parts.push({ from, to, width: entriesOf(page), positions, counts, ...products })
  }
  spansOf(held).forEach(([from, to], i) => {
    const { keys, values, positions, counts } = held[i]
    const extents = keys.shape as [number, number, number]
    const [k, v] = [keys, values].map(x => x.dataSync<'float32'>())
    const products = { scores: (q: Float32Array) => queriesTimesRows(q, k, extents, count), mix: (p: Float32Array) => sharesTimesRows(p, v, extents, count) } // prettier-ignore
    parts.push({ from, to, width: extents[1], positions, counts, ...products })
  })
  return parts
}

/** Adds what hides entries and the log of counts to scores of `count` queries a row, kept within ± cap, in place. */
const finishScores = (
  scores: Float32Array,
  { positions, width, counts }: Part,
  { queries, window }: Held,
  count: number,
  cap: number | null,
): void => {
  if (cap) scores.forEach((score, at) => (scores[at] = cap * Math.tanh(score / cap)))
  const keys = positions ?? Int32Array.from({ length: width }, (_, i) => i)
  const rows = keys.length / width
  const hidden = hiddenOf({ queries, keys, rows, window }) // (rows or 1, queries, entries)
  if (!hidden && !counts) return
  for (let line = 0, at = 0; line < scores.length / width; line++) {
    const row = Math.floor(line / count)
    const query = line % queries.length
    for (let entry = 0; entry < width; entry++, at++) {
      if (hidden) scores[at] += hidden[((rows === 1 ? 0 : row) * queries.length + query) * width + entry]
      if (counts) scores[at] += Math.log(counts[row * width + entry])
    }
  }
}

/** One softmax over the scores of all parts that a row has, in place. */
const toShares = (parts: readonly Part[], scores: readonly Float32Array[], rows: number, count: number): void => {
  for (let line = 0; line < rows * count; line++) {
    const row = Math.floor(line / count)
    const spans = parts.flatMap(({ from, to, width }, i) => (row < from || row >= to ? [] : [scores[i].subarray((line - from * count) * width, (line - from * count + 1) * width)])) // prettier-ignore
    softmaxOver(spans)
  }
}

/**
 * `attendHeld` of few queries over codes in the memory of the host, between operations of the engine, of which it needs none; undefined where the engine
 * has its tensors elsewhere, or a page is of another form. q: (rows, count, size), scaled already.
 */
export const attendCodes = (q: tf.Tensor3D, held: Held, cap: number | null): tf.Tensor3D | undefined => {
  const [rows, count, size] = q.shape
  const parts = held.pages.length === 0 ? undefined : partsOf(held, count)
  if (!parts) return undefined
  const queries = q.dataSync<'float32'>()
  const cut = (x: Float32Array, { from, to }: Part): Float32Array => x.subarray(from * count * size, to * count * size)
  const scores = parts.map(part => {
    const each = part.scores(cut(queries, part))
    finishScores(each, part, held, count, cap)
    return each
  })
  toShares(parts, scores, rows, count)
  const mixed = new Float32Array(rows * count * size)
  parts.forEach((part, i) => {
    const into = cut(mixed, part)
    part.mix(scores[i]).forEach((value, at) => (into[at] += value))
  })
  return tf.tensor3d(mixed, [rows, count, size])
}
