import * as tf from '@tensorflow/tfjs-core'
import type { Env, Model } from '../model/model.js'
import { createRng } from '../run/rng.js'
import { checkPlan } from './check-plan.js'
import { knownFrequencies } from './features.js'
import { heldCache, type HeldCache } from './held-cache.js'
import { addedSums, askPolicy, type Sums } from './planned-layer.js'
import { isCompact, type CachePlan, type CachePolicy, type When } from './policy.js'

/** Bytes of what one layer holds. */
export interface LayerBytes {
  /** Keys and values in full. */
  readonly exact: number
  /** Positions of entries that are not their places. */
  readonly indices: number
  /** What policies remember of entries, and queries that they are to see. */
  readonly features: number
}

export interface CacheBytes {
  readonly total: number
  /** Of the layers with attention, in order. */
  readonly layers: readonly LayerBytes[]
}

/** Where a text pauses and the plan is asked: inside a prompt, behind its last token, or behind a token that continues it. */
export type Pause = 'within' | 'prompt' | 'token'

/** The caches of a network's layers, and the plan that keeps them small. */
export interface Caches {
  /** By stage; stages without attention over tokens before have none. */
  readonly layers: readonly (HeldCache | undefined)[]
  readonly plan: CachePlan
  readonly seed: number
  readonly state: CachesState
  /** Tokens that went through the network, and the position of the next. */
  readonly seen: number
  readonly next: number
  readonly bytes: CacheBytes
  /** How many tokens may go through at once before the plan is asked again. */
  room(pause: Pause): number
  /** Keeps what queries the plan will ask for behind the next tokens, and no others. */
  watch(pause: Pause): void
  /** The forward pass over more tokens, ids (batch, tokens): logits (batch, tokens, vocabulary), or of the last token alone; where it throws, the caches are as before. */
  forward(ids: tf.Tensor, env: Env, how?: { readonly last?: boolean }): tf.Tensor
  isDue(pause: Pause): boolean
  /** Asks the policies that are due, in order, and evicts what they let go; the signal is heeded between layers, each of which is whole then. */
  settle(pause: Pause, signal?: AbortSignal): Promise<void>
  /** Forgets the tokens behind the first `to`; false where that cannot be, because entries were evicted or summed up since. */
  rewind(to: number): boolean
  /** The same state again; tensors are shared. */
  fork(): Caches
  dispose(): void
}

export interface CachesOptions {
  /** What policies draw from. */
  readonly seed?: number
}

/** All that a plan goes on from. */
export interface CachesState {
  readonly layers: readonly (HeldCache | undefined)[]
  /** By layer with attention. */
  readonly sums: readonly Sums[]
  /** Tokens seen when each policy was asked last. */
  readonly asked: readonly number[]
  /** Tokens seen when entries were last evicted or summed up. */
  readonly changedAt: number
}

const isOver = (when: When): when is Extract<When, { over: number }> => 'over' in when

const isDue = ({ when }: CachePolicy, pause: Pause, since: number, held: number): boolean => {
  if (isOver(when)) return held >= when.over + when.slack
  return pause === 'prompt' || (pause === 'token' && 'every' in when && since >= when.every)
}

/** Tokens until a policy is asked. */
const roomOf = ({ when }: CachePolicy, pause: Pause, since: number, held: number): number => {
  if (isOver(when)) return Math.max(1, when.over + when.slack - held)
  return pause === 'token' && 'every' in when ? Math.max(1, when.every - since) : Infinity
}

/** How many of the last queries a policy reads, where it may be asked behind the next tokens. */
const queriesOf = ({ needs, when }: CachePolicy, pause: Pause): number =>
  'at' in when && pause === 'token' ? 0 : Math.max(0, ...Object.values(needs as Readonly<Record<string, number>>))

const bytesOf = ({ held, queries }: HeldCache, { sums, counts }: Sums): LayerBytes => ({
  exact: held.reduce((sum, { keys }) => sum + 2 * 4 * keys.size, 0),
  indices: held.reduce((sum, { positions }) => sum + (positions?.byteLength ?? 0), 0),
  features: [...sums, ...counts].reduce((sum, list) => sum + list.byteLength, 0) + 4 * (queries.value?.values.size ?? 0),
})

/** The forward pass of some stages over tokens that begin at a position; of the last alone where the head needs no other. */
const through = (stages: Model['stages'], layers: CachesState['layers'], ids: tf.Tensor, env: Env, last: boolean): tf.Tensor =>
  tf.tidy(() =>
    stages.reduce<tf.Tensor>((x, stage, i) => {
      const tokens = x.shape[1]!
      const input = last && tokens > 1 && i === stages.length - 1 ? tf.slice(x, [0, tokens - 1, 0], [-1, 1, -1]) : x
      return stage.run(input, { ...env, ...(layers[i] ? { cache: layers[i] } : {}) })
    }, ids),
  )

interface Asked {
  readonly plan: CachePlan
  /** Those of the plan that are due. */
  readonly policies: CachePlan
  readonly seed: number
  readonly index: number
  readonly of: number
}

/** Asks the policies that are due of one layer; the sums of what is left. */
const settleLayer = async (layer: HeldCache, before: Sums, { plan, policies, seed, index, of }: Asked): Promise<Sums> => {
  const view = { index, of, attention: layer.facts }
  let sums = before
  let evicted = false
  try {
    if (plan.some(({ needs }) => 'shares' in needs)) sums = await addedSums(sums, layer, layer.queries.value)
    for (const policy of policies) {
      const rng = createRng(seed).fork(`${index}:${policy.name}:${layer.seen}`)
      const batch = layer.held.reduce((rows, { keys }) => rows + keys.shape[0], 0) / layer.facts.keyHeads
      const left = await askPolicy(policy, layer, sums, { batch, layer: view, rng })
      if (left) evicted = true
      sums = left ?? sums
    }
  } finally {
    layer.queries.forget()
  }
  if (evicted && isCompact(plan)) layer.compact(knownFrequencies(layer.facts, 'The plan'))
  return sums
}

/** The layers of some stages with the plan that keeps them small, from a state on. */
export const cachesFrom = (stages: Model['stages'], plan: CachePlan, seed: number, begin: CachesState): Caches => {
  const { layers } = begin
  const own = layers.filter(layer => layer !== undefined)
  const sums = [...begin.sums]
  let { asked, changedAt } = begin
  const seen = (): number => own[0]?.seen ?? 0
  const longest = (): number => Math.max(0, ...own.map(layer => layer.length))
  const due = (pause: Pause): CachePlan => plan.filter((policy, i) => isDue(policy, pause, seen() - asked[i], longest()))
  const caches: Caches = {
    ...{ layers, plan, seed },
    get seen() {
      return seen()
    },
    get next() {
      return own[0]?.next ?? 0
    },
    get bytes() {
      const each = own.map((layer, i) => bytesOf(layer, sums[i]))
      return { total: each.reduce((sum, { exact, indices, features }) => sum + exact + indices + features, 0), layers: each }
    },
    get state() {
      return { layers, sums, asked, changedAt }
    },
    room: pause => Math.min(...plan.map((policy, i) => roomOf(policy, pause, seen() - asked[i], longest()))),
    watch: pause => {
      const count = Math.max(0, ...plan.map(policy => queriesOf(policy, pause)))
      own.forEach(layer => layer.queries.keep(count))
    },
    forward: (ids, env, { last = false } = {}) => {
      const before = seen()
      try {
        return through(stages, layers, ids, { ...env, past: caches.next }, last)
      } catch (error) {
        own.forEach(layer => layer.rewind(before))
        throw error
      }
    },
    isDue: pause => due(pause).length > 0,
    settle: async (pause, signal) => {
      const policies = due(pause)
      if (policies.length === 0) return
      changedAt = seen()
      for (const [index, layer] of own.entries()) {
        signal?.throwIfAborted()
        sums[index] = await settleLayer(layer, sums[index], { plan, policies, seed, index, of: own.length })
      }
      asked = asked.map((at, i) => (policies.includes(plan[i]) ? seen() : at))
    },
    rewind: to => {
      if (to >= seen()) return true
      if (to < changedAt) return false
      own.forEach(layer => layer.rewind(to))
      asked = asked.map(at => Math.min(at, to))
      return true
    },
    fork: () => cachesFrom(stages, plan, seed, { layers: layers.map(layer => layer?.fork()), sums: [...sums], asked, changedAt }),
    dispose: () => own.forEach(layer => layer.dispose()),
  }
  return caches
}

/**
 * Empty caches for the layers of a network, kept small by the policies of a plan, which are asked in order; without one they hold everything.
 * Throws UNSUPPORTED where the network cannot have what the plan asks for.
 */
export const openCaches = ({ stages }: Pick<Model, 'stages'>, plan: CachePlan = [], { seed = 0 }: CachesOptions = {}): Caches => {
  const layers = stages.map(({ attention }) => attention && heldCache(attention))
  checkPlan(plan, stages)
  const sums = layers.filter(layer => layer !== undefined).map((): Sums => ({ sums: [], counts: [] }))
  return cachesFrom(stages, plan, seed, { layers, sums, asked: plan.map(() => 0), changedAt: 0 })
}

/** Tokens that go through at once, and how the text pauses behind them. */
export interface Piece {
  readonly from: number
  readonly to: number
  readonly pause: Pause
}

/** What the tokens up to `to` end: a single one continues the text. */
const pauseAt = (tokens: number, to: number): Pause => {
  if (tokens === 1) return 'token'
  return to === tokens ? 'prompt' : 'within'
}

/** So many tokens in pieces no longer than the plan wants, which is told before each what to watch and is to be settled behind it. */
export function* piecesOf(caches: Caches, tokens: number): Generator<Piece, void> {
  for (let from = 0; from < tokens;) {
    const to = Math.min(tokens, from + caches.room(tokens === 1 ? 'token' : 'within'))
    const pause = pauseAt(tokens, to)
    caches.watch(pause)
    yield { from, to, pause }
    from = to
  }
}
