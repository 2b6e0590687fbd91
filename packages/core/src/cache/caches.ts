import * as tf from '@tensorflow/tfjs-core'
import type { Env, Model } from '../model/model.js'
import { bytesOfLayers, type CacheBytes } from './cache-bytes.js'
import { checkPlan } from './check-plan.js'
import { leavingOf } from './encoding.js'
import { heldCache, type HeldCache } from './held-cache.js'
import type { Sums } from './planned-layer.js'
import { encodingOf, type AskedStep, type CachePlan, type When } from './policy.js'
import { settleLayer } from './settle-layer.js'

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
  /** Asks the policies that are due, in order, evicts what they let go and encodes what is old enough; the signal is heeded between layers, each of which is whole then. */
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

const isDue = ({ when }: AskedStep, pause: Pause, since: number, held: number): boolean => {
  if (isOver(when)) return held >= when.over + when.slack
  return pause === 'prompt' || (pause === 'token' && 'every' in when && since >= when.every)
}

/** Tokens until a policy is asked; an encoding takes what there is when it is there. */
const roomOf = (step: CachePlan[number], pause: Pause, since: number, held: number): number => {
  if (step.kind === 'encoding') return Infinity
  const { when } = step
  if (isOver(when)) return Math.max(1, when.over + when.slack - held)
  return pause === 'token' && 'every' in when ? Math.max(1, when.every - since) : Infinity
}

/** How many of the last queries a step reads, where it may be asked behind the next tokens. */
const queriesOf = (step: CachePlan[number], pause: Pause): number =>
  step.kind !== 'encoding' && 'at' in step.when && pause === 'token'
    ? 0
    : Math.max(0, ...Object.values(step.needs as Readonly<Record<string, number>>))

/** The forward pass of some stages over tokens that begin at a position; of the last alone where the head needs no other. */
const through = (stages: Model['stages'], layers: CachesState['layers'], ids: tf.Tensor, env: Env, last: boolean): tf.Tensor =>
  tf.tidy(() =>
    stages.reduce<tf.Tensor>((x, stage, i) => {
      const tokens = x.shape[1]!
      const input = last && tokens > 1 && i === stages.length - 1 ? tf.slice(x, [0, tokens - 1, 0], [-1, 1, -1]) : x
      return stage.run(input, { ...env, ...(layers[i] ? { cache: layers[i] } : {}) })
    }, ids),
  )

/** Whether a row has exact entries enough for the encoding of a plan; a prompt is read as a whole first. */
const encodingDue = (plan: CachePlan, pause: Pause, layers: readonly HeldCache[]): boolean => {
  const encoding = encodingOf(plan)
  if (!encoding || pause === 'within') return false
  return layers.some(({ held }) => held.some(({ keys }) => leavingOf(keys.shape[1]!, encoding) > 0))
}

/** The layers of some stages with the plan that keeps them small, from a state on. */
export const cachesFrom = (stages: Model['stages'], plan: CachePlan, seed: number, begin: CachesState): Caches => {
  const { layers } = begin
  const own = layers.filter(layer => layer !== undefined)
  const sums = [...begin.sums]
  let { asked, changedAt } = begin
  const seen = (): number => own[0]?.seen ?? 0
  const longest = (): number => Math.max(0, ...own.map(layer => layer.length))
  const due = (pause: Pause): readonly AskedStep[] =>
    plan.filter((step, i): step is AskedStep => step.kind !== 'encoding' && isDue(step, pause, seen() - asked[i], longest()))
  const caches: Caches = {
    ...{ layers, plan, seed },
    get seen() {
      return seen()
    },
    get next() {
      return own[0]?.next ?? 0
    },
    get bytes() {
      return bytesOfLayers(own, sums)
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
    isDue: pause => due(pause).length > 0 || encodingDue(plan, pause, own),
    settle: async (pause, signal) => {
      const steps = due(pause)
      if (steps.length === 0 && !encodingDue(plan, pause, own)) return
      changedAt = seen()
      for (const [index, layer] of own.entries()) {
        signal?.throwIfAborted()
        sums[index] = await settleLayer(layer, sums[index], { plan, steps, encodes: pause !== 'within', seed, index, of: own.length })
      }
      asked = asked.map((at, i) => (steps.some(step => step === plan[i]) ? seen() : at))
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

/** A text beyond `LONG` tokens is read in pieces of `PIECE`: scores of all its tokens at once would take memory that grows with their square. */
const LONG = 2048
const PIECE = 512

/** Whether tokens may go through one piece after the other: keys are turned by where they stand, and not by how long the text is. */
const isReadInPieces = ({ layers }: Caches): boolean =>
  layers.every(layer => layer === undefined || layer.facts.positions !== 'rotated' || layer.facts.frequencies?.() !== undefined)

/** So many tokens in pieces no longer than memory and the plan want, which is told before each what to watch and is to be settled behind it. */
export function* piecesOf(caches: Caches, tokens: number): Generator<Piece, void> {
  const most = tokens > LONG && isReadInPieces(caches) ? PIECE : tokens
  for (let from = 0; from < tokens;) {
    const to = Math.min(tokens, from + Math.min(most, caches.room(tokens === 1 ? 'token' : 'within')))
    const pause = pauseAt(tokens, to)
    caches.watch(pause)
    yield { from, to, pause }
    from = to
  }
}
