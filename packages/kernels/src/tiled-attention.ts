import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { attentionGradients } from './attention-gradients.js'
import { HIDDEN_FROM_SIGHT } from './hidden-from-sight.js'
import { softCap } from './soft-cap.js'

/** Attention over some of the keys, to be merged with that over others. */
export interface AttentionPart {
  /** Σ exp(score − max) · v, not divided yet; (matrices, queries, size). */
  readonly mixed: tf.Tensor3D
  /** The largest score; (matrices, queries, 1). */
  readonly max: tf.Tensor3D
  /** Σ exp(score − max); (matrices, queries, 1). */
  readonly sum: tf.Tensor3D
}

export interface TiledAttentionOptions {
  /** Queries and keys of a tile. */
  readonly tile?: number
  /** By default 1 / √size. */
  readonly scale?: number
  /** Whether a query sees no later key: the last query stands where the last key stands. */
  readonly causal?: boolean
  /** Keys up to its own that a query sees, all where null. */
  readonly window?: number | null
  /** Soft limit of scores, cap · tanh(score / cap). */
  readonly cap?: number | null
}

/** Large enough to keep an engine busy, small enough that its scores stay in a cache. */
const TILE = 256

/** q · kᵀ, limited and masked; q is scaled already. */
const scoresOf = (q: tf.Tensor3D, k: tf.Tensor3D, hidden: tf.Tensor | undefined, cap: number | null): tf.Tensor3D => {
  const scores = softCap(tf.matMul<tf.Tensor3D>(q, k, false, true), cap)
  return hidden ? tf.add(scores, hidden) : scores
}

/**
 * Takes the keys of one tile to what `before` saw of others: m ← max(m, max s), l ← l · exp(m_old − m) + Σ exp(s − m), and o likewise.
 * q, scaled: (matrices, queries, size); k, v: (matrices, keys, size); hidden: added to the scores, of a shape that broadcasts to
 * (matrices, queries, keys).
 */
export const attendTile = (
  q: tf.Tensor3D,
  k: tf.Tensor3D,
  v: tf.Tensor3D,
  hidden?: tf.Tensor,
  before?: AttentionPart,
  cap: number | null = null,
): AttentionPart => {
  const scores = scoresOf(q, k, hidden, cap)
  const here: tf.Tensor3D = tf.max(scores, 2, true)
  const max = before ? tf.maximum<tf.Tensor3D>(before.max, here) : here
  const shares: tf.Tensor3D = tf.exp(tf.sub(scores, max))
  const [sum, mixed] = [tf.sum<tf.Tensor3D>(shares, 2, true), tf.matMul<tf.Tensor3D>(shares, v)]
  if (!before) return { mixed, max, sum }
  const kept: tf.Tensor3D = tf.exp(tf.sub(before.max, max))
  const merged = (old: tf.Tensor3D, next: tf.Tensor3D): tf.Tensor3D => tf.add(tf.mul(old, kept), next)
  return { max, sum: merged(before.sum, sum), mixed: merged(before.mixed, mixed) }
}

/** The mixture of values once all keys were seen, and log Σ exp(score). */
export const finishAttention = ({ mixed, max, sum }: AttentionPart): { readonly output: tf.Tensor3D; readonly logSum: tf.Tensor3D } => ({
  output: tf.div(mixed, sum),
  logSum: tf.add(max, tf.log(sum)),
})

interface Tile {
  readonly from: number
  readonly to: number
}

/** Which tiles of keys a tile of queries sees, and what it does not see of each. */
interface Seen extends Tile {
  readonly hidden: tf.Tensor | undefined
}

interface Layout {
  readonly queries: readonly Tile[]
  readonly keysOf: (queries: Tile) => readonly Seen[]
}

const tilesOf = (length: number, tile: number): readonly Tile[] =>
  Array.from({ length: Math.ceil(length / tile) }, (_, i) => ({ from: i * tile, to: Math.min(length, (i + 1) * tile) }))

const rowsOf = (x: tf.Tensor3D, { from, to }: Tile): tf.Tensor3D => tf.slice(x, [0, from, 0], [x.shape[0], to - from, x.shape[2]])

const layoutOf = (queries: number, keys: number, { tile = TILE, causal = false, window = null }: TiledAttentionOptions): Layout => {
  const past = keys - queries
  const seenUpTo = (query: number): number => (causal ? past + query + 1 : keys)
  const seenFrom = (query: number): number => (window === null ? 0 : Math.max(0, past + query + 1 - window))
  const hiddenIn = (rows: Tile, columns: Tile): tf.Tensor | undefined => {
    if (seenUpTo(rows.from) >= columns.to && seenFrom(rows.to - 1) <= columns.from) return undefined
    const [height, width] = [rows.to - rows.from, columns.to - columns.from]
    const mask = new Float32Array(height * width).fill(HIDDEN_FROM_SIGHT)
    for (let i = 0; i < height; i++) {
      const [first, last] = [seenFrom(rows.from + i) - columns.from, seenUpTo(rows.from + i) - columns.from]
      mask.fill(0, i * width + Math.min(width, Math.max(0, first)), i * width + Math.min(width, Math.max(0, last)))
    }
    return tf.tensor3d(mask, [1, height, width])
  }
  return {
    queries: tilesOf(queries, tile),
    keysOf: rows =>
      tilesOf(keys, tile)
        .filter(({ from, to }) => from < seenUpTo(rows.to - 1) && to > seenFrom(rows.from))
        .map(columns => ({ ...columns, hidden: hiddenIn(rows, columns) })),
  }
}

const joined = (rows: readonly tf.Tensor3D[]): tf.Tensor3D => (rows.length === 1 ? rows[0] : tf.concat([...rows], 1))

type Inputs = readonly [q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D]

const forwards = ([q, k, v]: Inputs, { queries, keysOf }: Layout, scale: number, cap: number | null) => {
  const parts = queries.map(rows =>
    tf.tidy(() => {
      const scaled = tf.mul<tf.Tensor3D>(rowsOf(q, rows), scale)
      const all = keysOf(rows).reduce<AttentionPart | undefined>(
        (before, keys) => tf.tidy(() => ({ ...attendTile(scaled, rowsOf(k, keys), rowsOf(v, keys), keys.hidden, before, cap) })),
        undefined,
      )
      return finishAttention(all!)
    }),
  )
  return { output: joined(parts.map(({ output }) => output)), logSum: joined(parts.map(({ logSum }) => logSum)) }
}

/** Gradients of one tile: of its queries, and of its keys and values. */
const backwardsOf = (
  { q, k, v, dy, logSum, dot }: Readonly<Record<'q' | 'k' | 'v' | 'dy' | 'logSum' | 'dot', tf.Tensor3D>>,
  hidden: tf.Tensor | undefined,
  cap: number | null,
) => {
  const scores = softCap(tf.matMul<tf.Tensor3D>(q, k, false, true), cap)
  const shares = tf.exp<tf.Tensor3D>(tf.sub(hidden ? tf.add(scores, hidden) : scores, logSum))
  return attentionGradients({ q, k, v, scores, shares, dy, dot }, cap)
}

const added = (sum: tf.Tensor3D | undefined, more: tf.Tensor3D): tf.Tensor3D => (sum ? tf.add(sum, more) : more)

/** dq, dk and dv: shares of each tile are made again from the log-sum. */
const backwards = (
  [q, k, v]: Inputs,
  made: Readonly<Record<'output' | 'logSum' | 'dy', tf.Tensor3D>>,
  layout: Layout,
  scale: number,
  cap: number | null,
) => {
  // prettier-ignore
  const keyTiles = new Map<number, { dk: tf.Tensor3D; dv: tf.Tensor3D }>()
  const dot: tf.Tensor3D = tf.sum(tf.mul(made.dy, made.output), 2, true)
  const dq = layout.queries.map(rows => {
    const own = { q: tf.mul<tf.Tensor3D>(rowsOf(q, rows), scale), dy: rowsOf(made.dy, rows), logSum: rowsOf(made.logSum, rows), dot: rowsOf(dot, rows) } // prettier-ignore
    let sum: tf.Tensor3D | undefined
    for (const keys of layout.keysOf(rows)) {
      const before = keyTiles.get(keys.from)
      const next = tf.tidy(() => {
        const { dq: toQueries, dk, dv } = backwardsOf({ ...own, k: rowsOf(k, keys), v: rowsOf(v, keys) }, keys.hidden, cap)
        return { sum: added(sum, toQueries), dk: added(before?.dk, dk), dv: added(before?.dv, dv) }
      })
      tf.dispose([sum, before?.dk, before?.dv].filter(tensor => tensor !== undefined))
      sum = next.sum
      keyTiles.set(keys.from, next)
    }
    return tf.mul<tf.Tensor3D>(sum!, scale)
  })
  const ofKeys = tilesOf(k.shape[1], layout.queries[0].to).map(({ from, to }) => keyTiles.get(from) ?? nothing(k, to - from))
  return [joined(dq), joined(ofKeys.map(({ dk }) => dk)), joined(ofKeys.map(({ dv }) => dv))] as const
}

/** The gradients of keys that no query saw. */
const nothing = (k: tf.Tensor3D, count: number) => {
  const zeros = (): tf.Tensor3D => tf.zeros([k.shape[0], count, k.shape[2]])
  return { dk: zeros(), dv: zeros() }
}

const check = ([q, k, v]: Inputs, { tile = TILE, causal = false, window = null }: TiledAttentionOptions): void => {
  const told = `q [${q.shape.join(', ')}], k [${k.shape.join(', ')}], v [${v.shape.join(', ')}]`
  if (q.shape[0] !== k.shape[0] || q.shape[2] !== k.shape[2] || k.shape.join() !== v.shape.join())
    throw new CompressionError(
      'SHAPE',
      `tiledAttention got ${told}.`,
      'Pass q as (matrices, queries, size), k and v as (matrices, keys, size).',
    )
  if ((causal || window !== null) && k.shape[1] < q.shape[1])
    throw new CompressionError(
      'SHAPE',
      `tiledAttention got more queries than keys: ${told}.`,
      'Where positions matter, pass the keys of all queries.',
    )
  const wrong = [['tile', tile] as const, ['window', window ?? 1] as const].find(([, value]) => !Number.isInteger(value) || value < 1)
  if (wrong) throw new CompressionError('BAD_OPTION', `tiledAttention got ${wrong[0]} = ${wrong[1]}.`, 'Pass a whole number of at least 1.')
}

/**
 * FlashAttention-2: softmax(scale · q · kᵀ + mask) · v without ever holding all scores. Tiles of queries go over tiles of keys with a running
 * maximum and sum and are divided once; tiles that nobody sees are left out; the gradient makes the shares of a tile again from log Σ exp.
 * q: (matrices, queries, size), k, v: (matrices, keys, size); result as q. Memory beside the operands grows with the queries, not with their
 * product with the keys. Its gradient cannot be differentiated again. Throws SHAPE and BAD_OPTION.
 * Differs from the paper: tiles follow one another, each on all threads of the engine. Dao 2023, https://arxiv.org/abs/2307.08691
 */
export const tiledAttention = (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, options: TiledAttentionOptions = {}): tf.Tensor3D => {
  check([q, k, v], options)
  const { scale = 1 / Math.sqrt(q.shape[2]), cap = null } = options
  const [queries, keys] = [q.shape[1], k.shape[1]]
  const attention = tf.customGrad((...given) => {
    const inputs = given.slice(0, 3) as unknown as Inputs
    const save = given[3] as unknown as (tensors: tf.Tensor[]) => void
    const { output, logSum } = forwards(inputs, layoutOf(queries, keys, options), scale, cap)
    save([...inputs, output, logSum])
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [savedQ, savedK, savedV, savedOutput, savedLogSum] = saved as tf.Tensor3D[]
      const made = { output: savedOutput, logSum: savedLogSum, dy: dy as tf.Tensor3D }
      return [...backwards([savedQ, savedK, savedV], made, layoutOf(queries, keys, options), scale, cap)]
    }
    return { value: output, gradFunc }
  })
  return attention(q, k, v) as tf.Tensor3D
}
