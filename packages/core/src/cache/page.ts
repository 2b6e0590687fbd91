import * as tf from '@tensorflow/tfjs-core'
import { denseLeaves, DTYPES, encoded, type Dense, type Parameter } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import { countsOfRows, gatheredEntries, positionsOf, spansOf, type Picked } from './entries.js'
import type { Entries } from './layer-cache.js'

/** Entries of some neighbouring rows in few bits. */
export interface Page {
  /** The first of its rows, and the first behind them. */
  readonly from: number
  readonly to: number
  /** Trees that stand for (rows, entries, size). */
  readonly keys: Parameter
  readonly values: Parameter
  /** Of each entry, ascending: (rows · entries), or (entries) where all rows agree. */
  readonly positions: Int32Array
  /** How many entries each was merged from, (rows · entries); 1 where absent. */
  readonly counts?: Float32Array
}

/** Entries of a row of a page. */
export const entriesOf = ({ keys }: Page): number => keys.shape[1]

/** The positions of a row of a layer, which is one of the page's. */
export const positionsOfRow = (page: Page, row: number): Int32Array => {
  const width = entriesOf(page)
  return page.positions.length === width
    ? page.positions
    : page.positions.subarray((row - page.from) * width, (row - page.from + 1) * width)
}

/** Entries of each row of a layer. */
export const lengthsOf = (pages: readonly Page[], held: readonly Entries[]): readonly number[] => {
  const lengths = held.flatMap(({ keys }) => new Array<number>(keys.shape[0]).fill(keys.shape[1]!))
  for (const page of pages) for (let row = page.from; row < page.to; row++) lengths[row] += entriesOf(page)
  return lengths
}

/** Bytes of leaves that are codes, and of others; what trees share counts once. */
export const bytesOfTrees = (trees: readonly Parameter[]): { readonly codes: number; readonly scales: number } => {
  const leaves = new Set(trees.flatMap(denseLeaves))
  const bytes = { codes: 0, scales: 0 }
  for (const leaf of leaves) bytes[DTYPES[leaf.dtype].kind === 'float' ? 'scales' : 'codes'] += leaf.bytes.byteLength
  return bytes
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

/** The same tree, with leaves that another of the same form has too taken from there, so that both hold them once. */
export const sharingLeaves = (tree: Parameter, other: Parameter | undefined): Parameter => {
  if (other === undefined || tree.kind !== other.kind) return tree
  if (tree.kind === 'dense' || other.kind === 'dense') {
    const [a, b] = [tree as Dense, other as Dense]
    return a.dtype === b.dtype && String(a.shape) === String(b.shape) && sameBytes(a.bytes, b.bytes) ? other : tree
  }
  const parts = Object.entries(tree.parts).map(([name, part]) => [name, sharingLeaves(part, other.parts[name])] as const)
  return encoded(tree.codec, tree.shape, Object.fromEntries(parts), tree.attrs)
}

/** What a row has in one place: where that begins in the heap. */
interface Source {
  readonly begin: number
  readonly positions: Int32Array
  readonly counts?: Float32Array | undefined
}

/** Entries of several sources in the order of their positions. */
const merged = (sources: readonly Source[]): Picked => {
  const all = sources.flatMap(({ begin, positions, counts }) =>
    Array.from(positions, (position, i) => ({ position, place: begin + i, count: counts?.[i] ?? 1 })),
  )
  all.sort((a, b) => a.position - b.position)
  return {
    places: Int32Array.from(all, ({ place }) => place),
    positions: Int32Array.from(all, ({ position }) => position),
    counts: Float32Array.from(all, ({ count }) => count),
  }
}

/** All entries in full, those of each row by their positions, in tensors of their own; what is given stays as it is. */
export const decodedEntries = (pages: readonly Page[], held: readonly Entries[]): readonly Entries[] => {
  const sources: Source[][] = []
  const [keys, values]: tf.Tensor[][] = [[], []]
  let begin = 0
  const add = (row: number, source: Omit<Source, 'begin'>): void => {
    ;(sources[row] ??= []).push({ begin, ...source })
    begin += source.positions.length
  }
  let entries: readonly Entries[] = []
  tf.tidy(() => {
    const heap = (k: tf.Tensor, v: tf.Tensor): void => {
      const size = k.shape[2]!
      keys.push(tf.reshape(k, [-1, size])) // (rows · entries, size)
      values.push(tf.reshape(v, [-1, size]))
    }
    for (const page of pages) {
      heap(decode(page.keys), decode(page.values))
      const width = entriesOf(page)
      for (let row = 0; row < page.to - page.from; row++) {
        const counts = page.counts?.subarray(row * width, (row + 1) * width)
        add(page.from + row, { positions: positionsOfRow(page, page.from + row), counts })
      }
    }
    spansOf(held).forEach(([from], i) => {
      heap(held[i].keys, held[i].values)
      const counts = countsOfRows(held[i])
      positionsOf(held[i]).forEach((positions, row) => add(from + row, { positions, counts: counts?.[row] }))
    })
    entries = gatheredEntries(tf.concat(keys, 0), tf.concat(values, 0), sources.map(merged))
  })
  return entries
}
