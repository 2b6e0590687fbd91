import * as tf from '@tensorflow/tfjs-core'
import { spansOf, type Caches, type Entries, type Env, type HeldCache } from '@tersor/core'
import { replay, type Replay } from '@tersor/kernels/replay'
import { cutDecoder, type Decoder } from './cut-decoder.js'
import { fixedLayerCache, type Added, type FixedRows } from './fixed-cache.js'
import { roomyRows, type RoomyRows } from './fixed-rows.js'
import type { LanguageModel } from '../networks/language-model.js'
import { part } from '../networks/part.js'
import { followsLength } from '../networks/rope.js'

/** A layer has room for this many entries first; each time it is full, for four times as many, which is compiled anew. */
const FIRST_ROOM = 256
const GROWTH = 4

/** One step as a function of the token, its position, and keys, values and mask of all rows: logits, then what each layer adds. */
const stepOf =
  (model: LanguageModel, env: Env, parts: readonly number[], watching: boolean) =>
  (id: tf.Tensor, position: tf.Tensor, ...rest: tf.Tensor[]): tf.Tensor[] => {
    const added: Added[] = []
    let at = 0
    const take = (): FixedRows => {
      const [keys, values, mask] = rest.slice(at, (at += 3))
      return { keys, values, mask }
    }
    const logits = model.stages.reduce((x, stage, i) => {
      if (parts[i] === 0) return stage.run(x, { ...env, positions: position })
      const cache = fixedLayerCache(Array.from({ length: parts[i] }, take), watching, one => added.push(one))
      return stage.run(x, { ...env, positions: position, cache })
    }, id)
    return [logits, ...added.flatMap(({ keys, values, queries }) => (queries ? [keys, values, queries] : [keys, values]))]
  }

/** Rows of the layers that hold something, in order, and the step over them. */
interface Held {
  readonly layers: readonly { readonly cache: HeldCache; readonly rows: readonly RoomyRows[] }[]
  readonly step: Replay
}

const disposeHeld = ({ layers, step }: Held): void => {
  step.dispose()
  layers.forEach(({ rows }) => rows.forEach(each => each.dispose()))
}

/** Runs one step and writes what it adds behind the entries held. */
const advance = async ({ layers, step }: Held, id: number, position: number): Promise<Float32Array> => {
  const inputs = [tf.tensor2d([id], [1, 1], 'int32'), tf.tensor1d([position], 'int32')]
  const masks = layers.flatMap(({ cache, rows }) => rows.map(each => each.mask(cache.next)))
  const held = layers.flatMap(({ rows }) => rows).flatMap(({ keys, values }, i) => [keys, values, masks[i]])
  const [logits, ...added] = step(...inputs, ...held)
  let at = 0
  for (const { cache, rows } of layers) {
    const [keys, values, queries] = added.slice(at, (at += cache.queries.wanted > 0 ? 3 : 2))
    if (queries) cache.queries.add(queries, cache.next)
    tf.tidy(() =>
      spansOf(rows).forEach(([from, to], i) => rows[i].add(part(keys, 0, { from, to }), part(values, 0, { from, to }), cache.next)),
    )
    cache.advance()
  }
  tf.dispose([...inputs, ...masks, ...added])
  try {
    return await logits.data<'float32'>()
  } finally {
    logits.dispose()
  }
}

/** Whether a step depends on nothing but its token, its position and what layers hold. */
const isRecordable = ({ config: { rope } }: LanguageModel, { layers, next }: Caches): boolean =>
  !(rope && followsLength(rope)) && layers.every(layer => layer === undefined || layer.next === next)

/**
 * Decodes token by token as one graph on tensors of fixed shape, without JavaScript between its operations. `count` is how many tokens
 * may come. Plans with a rewrite or an encoding, whose codes no graph could multiply, are cut where they attend. Undefined where the engine
 * cannot replay, for frequencies that follow the length of the text, which a recorded graph keeps as they were, and where layers count
 * positions apart: those decode by plain steps.
 */
export const decoder = async (model: LanguageModel, env: Env, caches: Caches, count: number): Promise<Decoder | undefined> => {
  const own = caches.layers.filter(layer => layer !== undefined)
  if (!isRecordable(model, caches)) return undefined
  if (caches.plan.some(({ kind }) => kind !== 'policy')) return cutDecoder(model, env, caches)
  let left = count
  let held: Held | undefined

  /**
   * What a run of rows needs: all that may come, and not much where that is long; once entries were let go, no more than until the plan is
   * asked again. Before, the plan changes nothing: products over another room round otherwise.
   */
  const roomFor = (entries: Entries, growth: number): number => {
    const length = entries.keys.shape[1]!
    const ahead = Math.max(1, entries.positions ? Math.min(left, caches.room('token')) : left)
    return length + (ahead > FIRST_ROOM ? Math.min(ahead, Math.max(FIRST_ROOM - length, growth * length, 1)) : ahead)
  }
  const record = async (entries: readonly (readonly Entries[])[], growth: number): Promise<Held | undefined> => {
    const parts = caches.layers.map(layer => (layer ? entries[own.indexOf(layer)].length : 0))
    const watching = own.some(layer => layer.queries.wanted > 0)
    const step = await replay(stepOf(model, env, parts, watching))
    if (!step) return undefined
    const layers = own.map((cache, i) => {
      const window = cache.facts.window ?? null
      return { cache, rows: entries[i].map(each => roomyRows(each, roomFor(each, growth), window, step.writeRows)) }
    })
    return { layers, step }
  }
  const fits = (entries: readonly (readonly Entries[])[], more: number): boolean =>
    held!.layers.every(({ rows }, i) => rows.length === entries[i].length && rows.every((each, part) => each.fits(entries[i][part], more)))

  /** Takes the entries of the caches into tensors with room, those of before where they fit. */
  const take = async (growth: number): Promise<boolean> => {
    const entries = own.map(layer => layer.held)
    if (held && !fits(entries, 1)) held = void disposeHeld(held)
    held ??= await record(entries, growth)
    if (!held) return false
    held.layers.forEach(({ rows }, i) => rows.forEach((each, part) => each.fill(entries[i][part])))
    own.forEach(layer => tf.dispose(layer.giveAway().flatMap(({ keys, values }) => [keys, values])))
    return true
  }
  let taken = false
  const release = (): void => {
    if (!taken) return
    held!.layers.forEach(({ cache, rows }) => cache.replace(rows.map(each => each.entries())))
    taken = false
  }
  if (!(await take(0))) return undefined
  taken = true
  return {
    step: async id => {
      if (taken && held!.layers.some(({ rows }) => rows.some(each => each.count === each.room))) {
        release()
        taken = await take(GROWTH - 1)
      } else if (!taken) taken = await take(0)
      left--
      return advance(held!, id, caches.next)
    },
    release,
    dispose: () => {
      if (held) disposeHeld(held)
      held = undefined
      taken = false
    },
  }
}
