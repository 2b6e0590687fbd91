import * as tf from '@tensorflow/tfjs-core'
import type { Caches, Env, HeldCache, LayerCache } from '@tersor/core'
import { replay, type Replay } from '@tersor/kernels/replay'
import type { LanguageModel } from '../networks/language-model.js'

/** Gives the logits after one more token, of caches whose entries it holds meanwhile. */
export interface Decoder {
  step(id: number): Promise<Float32Array>
  /** Gives the entries back to the caches; the next step takes them again. */
  release(): void
  dispose(): void
}

/** What attention is asked for one more position. */
interface Asked {
  /** Scaled already, (rows, groups, size). */
  readonly queries: tf.Tensor
  /** (batch, key heads, 1, size) */
  readonly keys: tf.Tensor
  readonly values: tf.Tensor
  /** As they are, (rows, groups, 1, size). */
  readonly plain: tf.Tensor
  readonly cap: number | null | undefined
}

/** Ends the run of a stage where it attends. */
class Cut extends Error {
  constructor(readonly asked: Asked) {
    super('The stage attends here.')
  }
}

const kept = (x: tf.Tensor): tf.Tensor => tf.keep(tf.clone(x))

/** A cache that ends its stage where it attends, past whose tidy what it was asked is kept. */
const cutting = (): LayerCache => {
  let plain: tf.Tensor | undefined
  return {
    next: 0,
    append: () => {
      throw new Error('A cache that is cut attends itself.')
    },
    observe: queries => void (plain = kept(queries)),
    attend: (queries, keys, values, cap) => {
      throw new Cut({ queries: kept(queries), keys: kept(keys), values: kept(values), plain: plain!, cap })
    },
  }
}

/** A cache that attended already. */
const attended = (mixed: tf.Tensor): LayerCache => ({
  next: 0,
  append: () => {
    throw new Error('A cache that is cut attends itself.')
  },
  attend: () => mixed,
})

/** Runs a stage up to its attention. */
const askedBy = (run: () => tf.Tensor): Asked => {
  try {
    run()
  } catch (error) {
    if (error instanceof Cut) return error.asked
    throw error
  }
  throw new Error('A stage that says what its attention is like does not attend.')
}

/** Stages from one that attends, or the first, to the next that does, or the last. */
interface Piece {
  readonly from: number
  readonly to: number
}

const piecesAt = (attends: readonly boolean[]): readonly Piece[] => {
  const cuts = attends.flatMap((does, stage) => (does ? [stage] : []))
  return [-1, ...cuts].map((from, i) => ({ from, to: cuts[i] ?? attends.length }))
}

/**
 * What a piece computes: of the position and what goes into its first stage, with what that attends to where it does, either the logits or what
 * goes into the next stage that attends, and what that asks.
 */
const pieceOf =
  ({ stages }: LanguageModel, env: Env, { from, to }: Piece, onCap: (cap: Asked['cap']) => void) =>
  (position: tf.Tensor, x: tf.Tensor, ...mixed: tf.Tensor[]): tf.Tensor[] => {
    const begun = from < 0 ? x : stages[from].run(x, { ...env, positions: position, cache: attended(mixed[0]) })
    const y = stages.slice(from + 1, to).reduce((z, stage) => stage.run(z, { ...env, positions: position }), begun)
    if (to === stages.length) return [y]
    const { queries, keys, values, plain, cap } = askedBy(() => stages[to].run(y, { ...env, positions: position, cache: cutting() }))
    onCap(cap)
    return [y, queries, keys, values, plain]
  }

/** Attention of one more position over all that a layer holds. */
const attendIn = (cache: HeldCache, { queries, keys, values, plain, cap }: Asked): tf.Tensor => {
  cache.observe?.(plain)
  return tf.tidy(() => cache.attendAll(queries, keys, values, cap))
}

/**
 * Decodes token by token in pieces from one attention to the next, each of them recorded; attention itself runs between them, over whatever the caches hold,
 * so its entries stay there and any form of them will do. Undefined where the engine cannot replay.
 */
export const cutDecoder = async (model: LanguageModel, env: Env, caches: Caches): Promise<Decoder | undefined> => {
  const own = caches.layers.filter(layer => layer !== undefined)
  const caps: Asked['cap'][] = []
  const steps: Replay[] = []
  const dispose = (): void => steps.forEach(step => step.dispose())
  for (const [i, piece] of piecesAt(caches.layers.map(layer => layer !== undefined)).entries()) {
    const step = await replay(pieceOf(model, env, piece, cap => (caps[i] = cap)))
    if (!step) return (dispose(), undefined)
    steps.push(step)
  }
  return {
    step: async id => {
      const position = tf.tensor1d([caches.next], 'int32')
      let x: tf.Tensor = tf.tensor2d([id], [1, 1], 'int32')
      let mixed: tf.Tensor[] = []
      for (const [i, step] of steps.entries()) {
        const [y, queries, keys, values, plain] = step(position, x, ...mixed)
        tf.dispose([x, mixed])
        x = y
        if (i === own.length) break
        mixed = [attendIn(own[i], { queries, keys, values, plain, cap: caps[i] })]
        tf.dispose([queries, keys, values, plain])
      }
      position.dispose()
      try {
        return await x.data<'float32'>()
      } finally {
        x.dispose()
      }
    },
    release: () => undefined,
    dispose,
  }
}
