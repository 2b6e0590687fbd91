import * as tf from '@tensorflow/tfjs-core'
import { hiddenOf, HIDDEN_FROM_SIGHT, type AttentionFacts, type LayerCache } from '@tersor/core'

/** A cache that lets nothing go and hides entries instead: what an eviction must be equal to. */
export interface MaskedCache extends LayerCache {
  /** Hides from now on all positions of a row but those given. */
  keepOnly(positions: readonly Int32Array[]): void
  dispose(): void
}

/** Attention over everything that was seen, in plain operations, with what a policy let go hidden. */
export const maskedCache = ({ window = null }: Pick<AttentionFacts, 'window'>): MaskedCache => {
  let held: readonly [keys: tf.Tensor, values: tf.Tensor] | undefined
  let next = 0
  const gone: Set<number>[] = []
  const hiddenBy = (first: number, rows: number): Float32Array => {
    const queries = Int32Array.from({ length: next - first }, (_, i) => first + i)
    const keys = Int32Array.from({ length: rows * next }, (_, i) => i % next)
    const hidden = hiddenOf({ queries, keys, rows, window }) ?? new Float32Array(rows * queries.length * next)
    return hidden.map((value, at) => (gone[Math.floor(at / (queries.length * next))]?.has(at % next) ? HIDDEN_FROM_SIGHT : value))
  }
  return {
    get next() {
      return next
    },
    append: () => {
      throw new Error('A masked cache attends itself.')
    },
    keepOnly: positions =>
      positions.forEach((list, row) => {
        const kept = new Set(list)
        gone[row] = new Set(Array.from({ length: next }, (_, position) => position).filter(position => !kept.has(position)))
      }),
    attend: (queries, newKeys, newValues, cap = null) => {
      const rows = queries.shape[0]
      const before = held
      const first = next
      const grown = [newKeys, newValues].map((t, i) => {
        const flat = tf.reshape(t, [rows, -1, t.shape[3]!]) // (rows, tokens, size)
        return tf.keep(before ? tf.concat([before[i], flat], 1) : tf.clone(flat))
      })
      if (before) tf.dispose([...before])
      held = [grown[0], grown[1]]
      next += newKeys.shape[2]!
      const tokens = next - first
      const scores = tf.matMul(queries as tf.Tensor3D, grown[0] as tf.Tensor3D, false, true) // (rows, groups · tokens, keys)
      const capped = cap === null ? scores : tf.mul(tf.tanh(tf.div(scores, cap)), cap)
      const grid = tf.reshape(capped, [rows, -1, tokens, next])
      const shares = tf.softmax(tf.add(grid, tf.tensor(hiddenBy(first, rows), [rows, 1, tokens, next])), -1)
      return tf.matMul(tf.reshape(shares, [rows, -1, next]) as tf.Tensor3D, grown[1] as tf.Tensor3D)
    },
    dispose: () => {
      if (held) tf.dispose([...held])
      held = undefined
    },
  }
}
