import { callText, modelIdentity, readCaches, sha256Digests, storeCaches, type CachePlan, type CachesFacts } from '@tersor/core'
import { CompressionError, dense, fromIntegers, toInt32, type ParameterSink, type ParameterStore } from '@tersor/tensor'
import { checkCompact, sessionOver, sharedWeights, type Session, type SessionOptions } from './session.js'
import type { LanguageModel } from '../networks/language-model.js'

/** Of the form in which sessions are written. */
const VERSION = 1
const RECORD = 'session'
const IDS = 'ids'

/** What a session goes on with, and only with that. */
interface Identity {
  readonly version: number
  readonly model: string
  readonly tokenizer: string
  readonly plan: readonly string[]
}

interface SessionRecord {
  readonly identity: Identity
  readonly caches: CachesFacts
}

const identityOf = async (model: LanguageModel, plan: CachePlan): Promise<Identity> => ({
  version: VERSION,
  model: await modelIdentity(model),
  tokenizer: await sha256Digests().of(model.files?.['tokenizer.json'] ?? new Uint8Array()),
  plan: plan.map(callText),
})

/**
 * Writes a session: its tokens, what its caches hold and what their plan remembers, in full, so that it goes on as if it had never stopped.
 * The sink is finished, and the store it becomes is closed; where writing fails it is aborted.
 */
export const saveSession = async (session: Session, sink: ParameterSink): Promise<void> => {
  try {
    const { facts, parameters } = await storeCaches(session.caches)
    const record: SessionRecord = { identity: await identityOf(session.model, session.caches.plan), caches: facts }
    const bytes = new TextEncoder().encode(JSON.stringify(record))
    await sink.write(RECORD, dense('u8', [bytes.length], bytes))
    await sink.write(IDS, fromIntegers([...session.ids], 'i32', [session.ids.length]))
    for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
    const store = await sink.finish()
    await store.close?.()
  } catch (error) {
    await sink.abort()
    throw error
  }
}

const damaged = (what: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_FILE', `The saved session ${what}.`, 'Save it again; this file is damaged, or no session.', {}, cause)

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

const isLayer = (layer: Partial<CachesFacts['layers'][number]> | null): boolean =>
  isCount(layer?.next) &&
  isCount(layer.parts) &&
  (layer.pages === undefined ||
    (Array.isArray(layer.pages) && layer.pages.every(page => isCount((page as typeof page | null)?.from) && isCount(page.to))))

const isFacts = (value: Partial<CachesFacts> | undefined, plan: CachePlan): value is CachesFacts =>
  isCount(value?.seed) &&
  isCount(value.seen) &&
  isCount(value.changedAt) &&
  Array.isArray(value.asked) &&
  value.asked.length === plan.length &&
  value.asked.every(isCount) &&
  Array.isArray(value.layers) &&
  value.layers.every((layer: Partial<CachesFacts['layers'][number]> | null) => isLayer(layer))

const readRecord = async (store: ParameterStore): Promise<Partial<SessionRecord>> => {
  if (!store.names().includes(RECORD) || !store.names().includes(IDS)) throw damaged('has no tokens, or no record of what it is')
  const parameter = await store.read(RECORD)
  try {
    if (parameter.kind !== 'dense') throw new Error('the record is a tree')
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(parameter.bytes)) as Partial<SessionRecord>
  } catch (cause) {
    throw damaged('has a record that cannot be read', cause)
  }
}

/** What may differ, in words, and what to do about it. */
const DIFFERENCES: { readonly [K in keyof Identity]: readonly [what: string, remedy: string] } = {
  version: ['was written in another form', 'Open it with the version of Tersor that wrote it, and save its text.'],
  model: ['is of another model', 'Open the very model that it was saved with; a compressed one is another.'],
  tokenizer: ['is of another tokenizer', 'Put the tokenizer.json that it was saved with beside the model.'],
  plan: ['was kept small by another plan', 'Pass the same policies with the same options, in the same order.'],
}

const checkIdentity = (found: Partial<Identity> | undefined, wanted: Identity): void => {
  const differing = (Object.keys(DIFFERENCES) as (keyof Identity)[]).find(
    key => JSON.stringify(found?.[key]) !== JSON.stringify(wanted[key]),
  )
  if (differing === undefined) return
  const [what, remedy] = DIFFERENCES[differing]
  const plan = differing === 'plan' ? `: ${[found?.plan ?? []].flat().join(', ') || 'none'}, not ${wanted.plan.join(', ') || 'none'}` : ''
  throw new CompressionError('RESUME', `The saved session ${what}${plan}.`, remedy, { differs: differing })
}

const readIds = async (store: ParameterStore, { seen }: CachesFacts, { vocabularySize }: LanguageModel): Promise<readonly number[]> => {
  const parameter = await store.read(IDS)
  if (parameter.kind !== 'dense' || parameter.dtype !== 'i32') throw damaged('has tokens that are no whole numbers')
  const ids = [...toInt32(parameter)]
  if (ids.length !== seen) throw damaged(`has ${ids.length} tokens, and its caches saw ${seen}`)
  const stranger = ids.find(id => id < 0 || id >= vocabularySize)
  if (stranger !== undefined) throw damaged(`holds token ${stranger}, and the model knows 0 to ${vocabularySize - 1}`)
  return ids
}

/**
 * Opens a session that was saved, over the same model, tokenizer and plan; the store stays the caller's.
 * Throws RESUME, naming what differs, and BAD_FILE for a file that is damaged.
 */
export const loadSession = async (model: LanguageModel, store: ParameterStore, options: SessionOptions = {}): Promise<Session> => {
  const { cache = [] } = options
  checkCompact(cache, model.contextLength)
  const record = await readRecord(store)
  checkIdentity(record.identity, await identityOf(model, cache))
  if (!isFacts(record.caches, cache)) throw damaged('has a record without what its caches go on from')
  const ids = await readIds(store, record.caches, model)
  const names = new Set(store.names())
  const read = (name: string) => {
    if (!names.has(name)) throw damaged(`lacks "${name}"`)
    return store.read(name)
  }
  const caches = await readCaches(model, cache, record.caches, { read: async name => read(name), has: name => names.has(name) })
  try {
    return sessionOver(model, await sharedWeights(model, options), caches, ids)
  } catch (error) {
    caches.dispose()
    throw error
  }
}
