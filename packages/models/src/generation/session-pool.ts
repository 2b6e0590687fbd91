import { openCaches, type CachePlan, type Caches, type CacheSwap } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { Generator } from './generator.js'
import { decodableOf, sharedSource } from './session-source.js'
import type { Shared } from './session-options.js'
import { checkCompact, sessionOver, type Decodable, type Session, type SessionOptions } from './session.js'

export interface PoolOptions extends SessionOptions {
  /** Bytes that the caches of all texts may take in memory together; the text that is read has its own however much that is. */
  readonly most: number
  /** Where the others wait: `fastSwitch` of @tersor/kv-cache over a file. The pool closes it. */
  readonly swap: CacheSwap
}

/** Many texts on one model, as many of them in memory as fit. */
export interface SessionPool {
  /** Bytes of the caches in memory, and the names of their texts, least recently read first. */
  readonly bytes: number
  readonly resident: readonly string[]
  /** Every token of a text; none of one that was not begun. */
  ids(name: string): readonly number[]
  /** Reads more tokens of a text, which begins with the first, and gives the logits after the last; others make room. Throws as `Session.append` does, and DISK. */
  append(name: string, ids: readonly number[], options?: { readonly signal?: AbortSignal }): Promise<Float32Array>
  /** Forgets a text. */
  close(name: string): void
  dispose(): Promise<void>
}

/** Recording a step pays over many tokens in a row; texts that take turns would record it anew each time they come back. */
const UNRECORDED = 1

type Kept = NonNullable<Session['codes']>['scales']

interface Waiting {
  readonly ids: readonly number[]
  readonly kept: Kept
  /** That its caches took. */
  readonly bytes: number
}

/** Bytes of an entry in all layers. */
const bytesOfToken = ({ stages }: Decodable): number =>
  stages.reduce((sum, { attention }) => sum + (attention ? 2 * 4 * attention.keyHeads * attention.size : 0), 0)

const checkMost = (most: number): void => {
  if (Number.isFinite(most) && most > 0) return
  throw new CompressionError('BAD_OPTION', `most is ${most}.`, 'Pass how many bytes caches may take in memory.', { most })
}

interface Residing {
  readonly shared: Shared
  readonly swap: CacheSwap
  readonly most: number
  readonly plan: CachePlan
  readonly seed: number
}

/** Texts in memory, those read longest ago first, and those that wait outside. */
const residents = ({ shared, swap, most, plan, seed }: Residing) => {
  const { model } = shared
  const sessions = new Map<string, Session>()
  const waiting = new Map<string, Waiting>()
  const bytes = (): number => [...sessions.values()].reduce((sum, session) => sum + session.bytes.total, 0)

  const open = (caches: Caches, { ids, kept }: Pick<Waiting, 'ids' | 'kept'>): Session => {
    try {
      return sessionOver(shared, caches, ids, {}, shared.stepsOver(caches, UNRECORDED, kept))
    } catch (error) {
      caches.dispose()
      throw error
    }
  }
  const swapOut = async (name: string, session: Session, signal?: AbortSignal): Promise<void> => {
    await swap.out(name, session.ids, session.caches, signal)
    waiting.set(name, { ids: [...session.ids], kept: { ...session.codes?.scales }, bytes: session.bytes.total })
    sessions.delete(name)
    session.dispose()
  }
  const makeRoom = async (needed: number, but: string, signal?: AbortSignal): Promise<void> => {
    for (const [name, session] of [...sessions]) {
      if (bytes() + needed <= most) return
      if (name !== but) await swapOut(name, session, signal)
    }
  }
  const sessionOf = async (name: string): Promise<Session> => {
    const known = sessions.get(name)
    const away = waiting.get(name)
    if (known) sessions.delete(name) // it stands last again
    const session = known ?? open(away ? await swap.in(name, model) : openCaches(model, plan, { seed }), away ?? { ids: [], kept: {} })
    waiting.delete(name)
    sessions.set(name, session)
    return session
  }
  return { bytes, sessions, waiting, sessionOf, makeRoom }
}

/**
 * Texts on one model under a cap of memory: before one is read, those read longest ago go to a swap until it fits, and it comes back from there. All go on as if
 * they had never left. Calls for one pool are one behind the other.
 * Throws BAD_OPTION, and UNSUPPORTED as `openSession` does.
 */
export const openSessionPool = async (model: Generator, { most, swap, ...options }: PoolOptions): Promise<SessionPool> => {
  checkMost(most)
  const { cache: plan = [] as CachePlan, seed = 0 } = options
  const decodable = decodableOf(model)
  checkCompact(plan, decodable.contextLength)
  const shared = await sharedSource(model, options)
  shared.users++ // the pool itself, so that weights stay while all texts wait
  let last: Promise<unknown> = Promise.resolve()
  const { bytes, sessions, waiting, sessionOf, makeRoom } = residents({ shared, swap, most, plan, seed })
  const append = async (name: string, ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> => {
    await makeRoom((waiting.get(name)?.bytes ?? 0) + ids.length * bytesOfToken(decodable), name, signal)
    const session = await sessionOf(name)
    return session.append(ids, { signal })
  }
  return {
    get bytes() {
      return bytes()
    },
    get resident() {
      return [...sessions.keys()]
    },
    ids: name => sessions.get(name)?.ids ?? waiting.get(name)?.ids ?? [],
    append: (name, ids, { signal } = {}) => {
      const turn = last.then(() => append(name, ids, signal))
      last = turn.catch(() => undefined)
      return turn
    },
    close: name => {
      sessions.get(name)?.dispose()
      sessions.delete(name)
      waiting.delete(name)
      swap.forget(name)
    },
    dispose: async () => {
      await last
      sessions.forEach(session => session.dispose())
      sessions.clear()
      waiting.clear()
      if (--shared.users === 0) shared.dispose()
      await swap.close()
    },
  }
}
