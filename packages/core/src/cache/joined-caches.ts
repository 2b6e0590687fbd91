import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Model } from '../model/model.js'
import { cachesFrom, type Caches } from './caches.js'
import { packedPositions, positionsOf, spansOf } from './entries.js'
import { knownFrequencies } from './features.js'
import { heldCache, type HeldCache } from './held-cache.js'
import type { AttentionFacts, Entries } from './layer-cache.js'
import type { Sums } from './planned-layer.js'
import { encodingOf } from './policy.js'
import { turnPairs } from './turn-pairs.js'

const BATCH = 'A batch of texts of different length'

/** Entries `by` positions later, their keys turned alike; distances stay, and so does what queries as much later see. */
const shifted = (held: Entries, by: number, facts: AttentionFacts): Entries => {
  const frequencies = by === 0 ? undefined : knownFrequencies(facts, BATCH)
  const values = tf.keep(tf.clone(held.values))
  const positions = packedPositions(positionsOf(held).map(list => list.map(position => position + by)))
  const merged = held.counts ? { counts: held.counts } : {}
  if (!frequencies) return { keys: tf.keep(tf.clone(held.keys)), values, ...positions, ...merged }
  const keys = tf.tidy(() => {
    const angles = tf.tensor1d(Float32Array.from(frequencies, frequency => by * frequency))
    return tf.keep(turnPairs(held.keys, tf.cos(angles), tf.sin(angles)))
  })
  return { keys, values, ...positions, ...merged }
}

const refused = (what: string, remedy: string): CompressionError => new CompressionError('UNSUPPORTED', what, remedy)

/** Refuses what cannot stand at other positions, before anything is made. */
const checkJoined = (all: readonly Caches[]): void => {
  const encoding = encodingOf(all[0].plan)
  if (encoding)
    throw refused(
      `${encoding.name} encodes entries at their positions, and those of a batch move.`,
      'Read the texts one by one, or without an encoding.',
    )
  const layers = all.flatMap(({ layers: own }) => own.flatMap(layer => layer ?? []))
  if (layers.some(({ queries }) => queries.value))
    throw refused(
      'A policy still waits for queries of one text alone.',
      'Choose one that is asked behind each prompt, or read the texts one by one.',
    )
  if (new Set(all.map(({ next }) => next)).size === 1) return
  if (layers.some(({ facts }) => facts.positions === 'learned'))
    throw refused(
      'Texts of different length have no positions in common, and this model adds learned ones to its embedding.',
      'Read them one by one.',
    )
  layers.forEach(({ facts }) => knownFrequencies(facts, BATCH))
}

/** One layer of all texts: rows of one text behind those of another, all ending at one position. */
const joinedLayer = (layers: readonly HeldCache[], next: number): HeldCache => {
  const [{ facts, seen }] = layers
  const held = layers.flatMap(layer => layer.held.map(entries => shifted(entries, next - layer.next, facts)))
  const joined = heldCache(facts, {
    held,
    seen: Math.max(seen, ...layers.map(layer => layer.seen)),
    next,
    queries: layers[0].queries.fork(),
  })
  joined.evict(held.flatMap(entries => positionsOf(entries).map(({ length }) => Int32Array.from({ length }, (_, i) => i)))) // rows of one length become one tensor
  return joined
}

const flatSums = (all: readonly Sums[]): Sums =>
  all.some(({ sums }) => sums.length === 0)
    ? { sums: [], counts: [] }
    : { sums: all.flatMap(({ sums }) => sums), counts: all.flatMap(({ counts }) => counts) }

/**
 * The caches of some texts, each of one, as those of a batch: texts that are shorter stand at later positions, their keys turned by that, so that all go on at
 * one. The given ones stay the caller's. Nothing can be rewound behind where they were joined.
 * Throws UNSUPPORTED where keys know positions by a table or by a rotation that follows the text, and lengths differ.
 */
export const joinCaches = ({ stages }: Pick<Model, 'stages'>, all: readonly Caches[]): Caches => {
  checkJoined(all)
  const [{ plan, seed, state }] = all
  const next = Math.max(...all.map(each => each.next))
  const made: HeldCache[] = []
  try {
    const layers = state.layers.map((layer, i) => {
      if (!layer) return undefined
      const joined = joinedLayer(all.flatMap(each => each.state.layers[i] ?? []), next) // prettier-ignore
      made.push(joined)
      return joined
    })
    const seen = Math.max(...all.map(each => each.seen))
    const sums = state.sums.map((_, i) => flatSums(all.map(each => each.state.sums[i])))
    return cachesFrom(stages, plan, seed, { layers, sums, asked: plan.map(() => seen), changedAt: seen })
  } catch (error) {
    made.forEach(layer => layer.dispose())
    throw error
  }
}

/** Some rows of entries; the given ones stay the caller's. */
const rowsOf = ({ keys, values, positions }: Entries, rows: readonly number[]): Entries => {
  const lists = positions && positionsOf({ keys, values, positions })
  return tf.tidy(() => {
    const places = tf.tensor1d([...rows], 'int32')
    const [k, v] = [keys, values].map(each => tf.keep(tf.gather(each, places)))
    return { keys: k, values: v, ...(lists ? packedPositions(rows.map(row => lists[row])) : {}) }
  })
}

/** Frees the entries of one text of a batch, whose rows are gone then. */
export const leaveBatch = (caches: Caches, index: number): void => {
  let at = 0
  for (const layer of caches.layers) {
    if (!layer) continue
    const { keyHeads } = layer.facts
    const stays = (row: number): boolean => Math.floor(row / keyHeads) !== index
    const spans = spansOf(layer.held)
    layer.replace(
      layer.held.flatMap((entries, i) => {
        const [from, to] = spans[i]
        const rows = Array.from({ length: to - from }, (_, row) => row).filter(row => stays(from + row))
        return rows.length === 0 ? [] : [rowsOf(entries, rows)]
      }),
    )
    const { sums, counts } = caches.state.sums[at]
    ;(caches.state.sums as Sums[])[at++] = { sums: sums.filter((_, row) => stays(row)), counts: counts.filter((_, row) => stays(row)) }
  }
}
