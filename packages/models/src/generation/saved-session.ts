import {
  callText,
  modelIdentity,
  readCaches,
  sha256Digests,
  storeCaches,
  type CachePlan,
  type Caches,
  type CachesFacts,
  placeOfEntries,
} from '@tersor/core'
import {
  CompressionError,
  dense,
  fromIntegers,
  toInt32,
  type Dense,
  type Parameter,
  type ParameterSink,
  type ParameterStore,
} from '@tersor/tensor'
import { decodedBy, storageFor, storedBy, type SaveOptions } from './stored-entries.js'
import type { Generator } from './generator.js'
import { decodableOf, sharedSource } from './session-source.js'
import type { Shared } from './session-options.js'
import { checkCompact, MANY, sessionOver, type Decodable, type Session, type SessionOptions } from './session.js'

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
  /** How keys and values are stored, as a call; in full where absent. */
  readonly storage?: string
  readonly caches: CachesFacts
}

const identityOf = async (model: Decodable, plan: CachePlan, bits: 8 | 4 | undefined): Promise<Identity> => ({
  version: VERSION,
  model: await modelIdentity(model),
  tokenizer: await sha256Digests().of(model.files?.['tokenizer.json'] ?? new Uint8Array()),
  plan: [...plan.map(callText), ...(bits ? [`cacheBits=${bits}`] : [])],
})

/**
 * Writes a session: its tokens, what its caches hold and what their plan remembers, in full, so that it goes on as if it had never stopped; or keys and
 * values by a storage, such as `cacheGen` of @tersor/kv-cache, which takes far less and loses some of them.
 * The sink is finished, and the store it becomes is closed; where writing fails it is aborted.
 */
export const saveSession = async (session: Session, sink: ParameterSink, { storage }: SaveOptions = {}): Promise<void> => {
  try {
    const { facts, parameters: full } = await storeCaches(session.caches)
    const parameters = storage ? storedBy(storage, full, facts.layers.length) : full
    const record: SessionRecord = {
      identity: await identityOf(session.model, session.caches.plan, session.codes?.bits),
      caches: facts,
      ...(storage ? { storage: callText(storage) } : {}),
    }
    const bytes = new TextEncoder().encode(JSON.stringify(record))
    await sink.write(RECORD, dense('u8', [bytes.length], bytes))
    await sink.write(IDS, fromIntegers([...session.ids], 'i32', [session.ids.length]))
    const all = { ...parameters, ...session.codes?.scales }
    for (const [name, parameter] of Object.entries(all)) await sink.write(name, parameter)
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

const denseOnly = (name: string, parameter: Parameter): Dense => {
  if (parameter.kind === 'dense') return parameter
  throw damaged(`has a tree for "${name}"`)
}

const readIds = async (store: ParameterStore, { seen }: CachesFacts, { vocabularySize }: Decodable): Promise<readonly number[]> => {
  const parameter = await store.read(IDS)
  if (parameter.kind !== 'dense' || parameter.dtype !== 'i32') throw damaged('has tokens that are no whole numbers')
  const ids = [...toInt32(parameter)]
  if (ids.length !== seen) throw damaged(`has ${ids.length} tokens, and its caches saw ${seen}`)
  const stranger = ids.find(id => id < 0 || id >= vocabularySize)
  if (stranger !== undefined) throw damaged(`holds token ${stranger}, and the model knows 0 to ${vocabularySize - 1}`)
  return ids
}

/** A session that goes on with what it kept besides its caches; what runs it is closed where that does not fit. */
const overSource = (shared: Shared, caches: Caches, ids: readonly number[], kept: Readonly<Record<string, Dense>>): Session => {
  try {
    return sessionOver(shared, caches, ids, {}, shared.stepsOver(caches, MANY, kept))
  } catch (error) {
    shared.dispose()
    throw error
  }
}

/**
 * Opens a session that was saved, over the same model, tokenizer and plan; the store stays the caller's.
 * Throws RESUME, naming what differs, and BAD_FILE for a file that is damaged.
 */
export const loadSession = async (
  opened: Generator,
  store: ParameterStore,
  options: SessionOptions & SaveOptions = {},
): Promise<Session> => {
  const { cache = [] } = options
  const model = decodableOf(opened)
  checkCompact(cache, model.contextLength)
  const record = await readRecord(store)
  checkIdentity(record.identity, await identityOf(model, cache, options.cacheBits))
  if (!isFacts(record.caches, cache)) throw damaged('has a record without what its caches go on from')
  const ids = await readIds(store, record.caches, model)
  const storage = storageFor(record.storage, options.storage)
  const names = new Set(store.names())
  const read = async (name: string) => {
    if (!names.has(name)) throw damaged(`lacks "${name}"`)
    const parameter = await store.read(name)
    return storage && placeOfEntries(name) ? decodedBy(storage, name, parameter) : parameter
  }
  const caches = await readCaches(model, cache, record.caches, { read: async name => read(name), has: name => names.has(name) })
  try {
    const kept: Record<string, Dense> = {}
    for (const name of names) if (name.startsWith('codes.')) kept[name] = denseOnly(name, await read(name))
    return overSource(await sharedSource(opened, options), caches, ids, kept)
  } catch (error) {
    caches.dispose()
    throw error
  }
}
