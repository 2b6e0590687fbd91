import * as tf from '@tensorflow/tfjs-core'
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

/** Products with exact entries, (rows, width, size), of which there are few. */
const exactProducts = (keys: Float32Array, values: Float32Array, [rows, width, size]: readonly number[], count: number) => ({
  scores: (q: Float32Array): Float32Array => {
    const scores = new Float32Array(rows * count * width)
    for (let line = 0, at = 0; line < rows * count; line++)
      for (let entry = 0; entry < width; entry++, at++) {
        const key = (Math.floor(line / count) * width + entry) * size
        let sum = 0
        for (let i = 0; i < size; i++) sum += q[line * size + i] * keys[key + i]
        scores[at] = sum
      }
    return scores
  },
  mix: (shares: Float32Array): Float32Array => {
    const mixed = new Float32Array(rows * count * size)
    for (let line = 0, at = 0; line < rows * count; line++)
      for (let entry = 0; entry < width; entry++, at++) {
        const value = (Math.floor(line / count) * width + entry) * size
        for (let i = 0; i < size; i++) mixed[line * size + i] += shares[at] * values[value + i]
      }
    return mixed
  },
})

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
    const width = keys.shape[1]!
    const products = exactProducts(keys.dataSync<'float32'>(), values.dataSync<'float32'>(), keys.shape, count)
    parts.push({ from, to, width, positions, counts, ...products })
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
    let most = -Infinity
    for (const span of spans) for (let i = 0; i < span.length; i++) if (span[i] > most) most = span[i]
    let sum = 0
    for (const span of spans) for (let i = 0; i < span.length; i++) sum += span[i] = Math.exp(span[i] - most)
    for (const span of spans) for (let i = 0; i < span.length; i++) span[i] /= sum
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
