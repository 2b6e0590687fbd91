import * as tf from '@tensorflow/tfjs-core'
import type { Env } from '@tersor/core'
import { replay, type Replay } from '@tersor/kernels/replay'
import { HIDDEN_FROM_SIGHT } from '../networks/bands.js'
import { fixedLayerCache, type Added, type FixedCache } from './fixed-cache.js'
import type { KvCache } from './kv-cache.js'
import type { LanguageModel } from '../networks/language-model.js'
import { followsLength } from '../networks/rope.js'

/** Gives the logits after one more token. */
export interface Decoder {
  step(id: number): Promise<Float32Array>
  dispose(): void
}

/** A cache of this many positions first; each time it is full, one of four times as many, which is compiled anew. */
const FIRST_ROOM = 256
const GROWTH = 4

interface Held {
  /** By stage; stages without attention hold nothing. */
  readonly caches: readonly (FixedCache | undefined)[]
  readonly mask: Float32Array
  readonly step: Replay
  dispose(): void
}

/** One step as a function of the token, its position, the mask and all keys and values: logits, then what each layer adds. */
const stepOf = (model: LanguageModel, env: Env, held: readonly boolean[]) => {
  const count = held.filter(Boolean).length
  return (id: tf.Tensor, position: tf.Tensor, mask: tf.Tensor, ...rest: tf.Tensor[]): tf.Tensor[] => {
    const added: Added[] = []
    let layer = 0
    const logits = model.stages.reduce((x, stage, at) => {
      if (!held[at]) return stage.run(x, { ...env, positions: position })
      const cache = fixedLayerCache({ keys: rest[layer], values: rest[count + layer++] }, mask, one => added.push(one))
      return stage.run(x, { ...env, positions: position, cache })
    }, id)
    return [logits, ...added.flatMap(({ keys, values }) => [keys, values])]
  }
}

const roomy = (from: tf.Tensor, room: number): tf.Tensor => {
  const [batch, heads, , size] = from.shape as [number, number, number, number]
  return tf.tensor(new Float32Array(batch * heads * room * size), [batch, heads, room, size])
}

/** Moves keys and values into tensors with room; the old ones stay the caller's. */
const hold = async (
  model: LanguageModel,
  env: Env,
  from: readonly (FixedCache | undefined)[],
  past: number,
  room: number,
): Promise<Held | undefined> => {
  const step = await replay(
    stepOf(
      model,
      env,
      from.map(cache => cache !== undefined),
    ),
  )
  if (!step) return undefined
  const caches = from.map(cache => {
    if (!cache) return undefined
    const grown = { keys: roomy(cache.keys, room), values: roomy(cache.values, room) }
    for (const part of ['keys', 'values'] as const) {
      const filled = cache[part].shape[2] === past ? cache[part] : tf.slice(cache[part], [0, 0, 0, 0], [-1, -1, past, -1])
      step.writeRows(grown[part], filled, 0)
      if (filled !== cache[part]) filled.dispose()
    }
    return grown
  })
  const dispose = (): void => {
    step.dispose()
    for (const cache of caches) tf.dispose([cache?.keys, cache?.values].filter(tensor => tensor !== undefined))
  }
  return { caches, mask: new Float32Array(room).fill(HIDDEN_FROM_SIGHT).fill(0, 0, past), step, dispose }
}

/** Runs one step and writes what it adds behind the positions held. */
const advance = async ({ caches, mask, step }: Held, id: number, past: number): Promise<Float32Array> => {
  const layers = caches.filter(cache => cache !== undefined)
  const inputs = [
    tf.tensor2d([id], [1, 1], 'int32'),
    tf.tensor1d([past], 'int32'),
    tf.tensor2d(mask, [1, mask.length]),
    ...layers.map(({ keys }) => keys),
    ...layers.map(({ values }) => values),
  ]
  const [logits, ...added] = step(...inputs)
  layers.forEach(({ keys, values }, layer) => {
    step.writeRows(keys, added[2 * layer], past)
    step.writeRows(values, added[2 * layer + 1], past)
  })
  mask[past] = 0
  tf.dispose([...inputs.slice(0, 3), ...added])
  try {
    return await logits.data<'float32'>()
  } finally {
    logits.dispose()
  }
}

/** Keys and values as the prompt left them. */
const promptCaches = (caches: readonly KvCache[]): readonly (FixedCache | undefined)[] => caches.map(cache => cache.held)

/**
 * Decodes token by token as one graph on tensors of fixed shape, without JavaScript between its operations. `caches` hold the prompt,
 * `most` is how many positions there may be. Undefined where the engine cannot replay, and for models with sliding windows, whose masks
 * differ from layer to layer, or with frequencies that follow the length of the text, which a recorded graph keeps as they were.
 */
export const decoder = async (model: LanguageModel, env: Env, caches: readonly KvCache[], most: number): Promise<Decoder | undefined> => {
  if (model.config.windows?.some(window => window !== null && window < most)) return undefined
  if (model.config.rope && followsLength(model.config.rope)) return undefined
  const prompt = promptCaches(caches)
  let past = Math.max(...caches.map(cache => cache.length))
  let room = Math.min(most, Math.max(FIRST_ROOM, past + 1))
  let held = await hold(model, env, prompt, past, room)
  if (!held) return undefined
  const grow = async (): Promise<void> => {
    room = Math.min(most, GROWTH * room)
    const before = held!
    held = await hold(model, env, before.caches, past, room)
    before.dispose()
  }
  return {
    step: async id => {
      if (past === room) await grow()
      return advance(held!, id, past++)
    },
    dispose: () => held!.dispose(),
  }
}
