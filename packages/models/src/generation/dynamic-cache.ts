import { knownFrequencies, readCaches, type AttentionFacts, type CachesFacts, type HeldCache } from '@tersor/core'
import { CompressionError, decodeF16, encodeF16, fromFloat32, type Parameter } from '@tersor/tensor'
import type { Generator } from './generator.js'
import { decodableOf, sharedSource } from './session-source.js'
import { checkCompact, sessionOver, type Decodable, type Session, type SessionOptions } from './session.js'

/** A tensor of transformers.js, or of onnxruntime-common. */
export interface RuntimeTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: ArrayLike<number> | ArrayLike<bigint>
}

/** What is taken of transformers.js: import { DynamicCache, Tensor } from '@huggingface/transformers'. */
export interface TransformersLibrary<T, C> {
  readonly Tensor: new (type: string, data: any, dims: number[]) => T
  readonly DynamicCache: new (entries: Record<string, T>) => C
}

/** A session as transformers.js takes it. */
export interface HandedOver<T, C> {
  readonly past_key_values: C
  /** Entries that it holds: the mask of a call to `generate` has so many ones and one for each new id, and only those are passed as `input_ids`. */
  readonly length: number
  /** All ones for the entries and some new ids, (1, length + count). */
  attention_mask(count: number): T
}

const ragged = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `The session holds different numbers of entries in ${what}, and transformers.js has one mask for all.`,
    'Keep it small by a policy that keeps equally many everywhere, such as snap-kv without adaptive or pyramid.',
  )

/** The number of entries of every layer and head; throws UNSUPPORTED where those differ. */
const lengthOf = (layers: readonly HeldCache[]): number => {
  const lengths = layers.map(({ held }) => {
    if (held.length > 1) throw ragged('heads of a layer')
    return held[0]?.keys.shape[1] ?? 0
  })
  if (lengths.some(length => length !== lengths[0])) throw ragged('layers')
  if (lengths[0] > 0) return lengths[0]
  throw new CompressionError('BAD_DATA', 'The session has read nothing.', 'Append a prompt before it is handed over.')
}

/** Makes what an encoding made exact again, and refuses merged entries: there is no place for how many they were. Throws UNSUPPORTED. */
const inFull = (layers: readonly HeldCache[]): void =>
  layers.forEach(layer => {
    if (layer.pages.length > 0) layer.thaw().drop()
    if (layer.held.some(({ counts }) => counts))
      throw new CompressionError(
        'UNSUPPORTED',
        'Entries were merged, and transformers.js knows nothing of how many each was.',
        'Hand over a session that evicts alone, such as one with snap-kv.',
      )
  })

/** Makes entries stand at 0, 1, 2 …, where they do not; throws UNSUPPORTED where keys cannot be turned. */
const compacted = (layers: readonly HeldCache[]): void =>
  layers.forEach(layer => {
    if (layer.held[0].positions === undefined) return
    if (layer.facts.positions === 'learned')
      throw new CompressionError(
        'UNSUPPORTED',
        'Entries were let go, and this model adds learned positions to its embedding, so those left cannot be moved together.',
        'Hand over a session that holds everything.',
      )
    layer.compact(knownFrequencies(layer.facts, 'The hand-over'))
  })

const DTYPES = {
  float32: (values: Float32Array): Float32Array | Uint16Array => values,
  float16: (values: Float32Array): Float32Array | Uint16Array => Uint16Array.from(values, encodeF16),
} as const

/**
 * Hands a session to transformers.js as its cache object. There a token's position follows from the mask, so what is left of an evicted cache is
 * moved to positions 0, 1, 2 … and its keys are turned alike; codes become floats. The session stays as it is.
 * `dtype` is that of the graph's past keys and values. Its pipelines for chats read all messages again and take no cache: call the model's `generate`.
 * Throws UNSUPPORTED for heads or layers that hold different numbers, for merged entries, and where keys must be turned and nobody knows by what.
 */
export const toDynamicCache = async <T, C>(
  session: Session,
  { Tensor, DynamicCache }: TransformersLibrary<T, C>,
  { dtype = 'float32' }: { readonly dtype?: 'float32' | 'float16' } = {},
): Promise<HandedOver<T, C>> => {
  const fork = session.caches.fork()
  try {
    const layers = fork.layers.filter(layer => layer !== undefined)
    inFull(layers)
    const length = lengthOf(layers)
    compacted(layers)
    const entries: Record<string, T> = {}
    for (const [i, { held }] of layers.entries()) {
      const [{ keys, values }] = held
      const [rows, , size] = keys.shape as [number, number, number]
      for (const [part, tensor] of [
        ['key', keys],
        ['value', values],
      ] as const)
        // prettier-ignore
        entries[`past_key_values.${i}.${part}`] = new Tensor(dtype, DTYPES[dtype](await tensor.data<'float32'>()), [1, rows, length, size])
    }
    const ones = (count: number) => new Tensor('int64', new BigInt64Array(length + count).fill(1n), [1, length + count])
    return { past_key_values: new DynamicCache(entries), length, attention_mask: ones }
  } finally {
    fork.dispose()
  }
}

const refusal = (what: string): CompressionError =>
  new CompressionError('SHAPE', what, 'Hand over the cache of this very model, of one text, with the ids that it was made of.')

/** The numbers of a cached tensor, (key heads, entries, size); throws SHAPE. */
const storedPart = (name: string, tensor: RuntimeTensor | undefined, { keyHeads, size }: AttentionFacts): Parameter => {
  if (!tensor) throw refusal(`The cache lacks "${name}".`)
  const { type, dims, data } = tensor
  const [batch, heads, entries, width] = dims
  if (dims.length !== 4 || batch !== 1 || heads !== keyHeads || width !== size || (type !== 'float32' && type !== 'float16'))
    throw refusal(`"${name}" is ${type} [${dims.join(', ')}], and the model's are floats [1, ${keyHeads}, entries, ${size}].`)
  const numbers = data as ArrayLike<number>
  const values = type === 'float16' && data instanceof Uint16Array ? Float32Array.from(data, decodeF16) : Float32Array.from(numbers)
  return fromFloat32(values, 'f32', [heads, entries, width])
}

/** What caches hold of each layer, by the names of saved sessions. */
const partsOf = (cache: Readonly<Record<string, RuntimeTensor>>, { stages }: Decodable): Readonly<Record<string, Parameter>> =>
  Object.fromEntries(
    stages
      .flatMap(({ attention }) => attention ?? [])
      .flatMap((facts, i) =>
        (['key', 'value'] as const).map(part => {
          const name = `past_key_values.${i}.${part}`
          return [`layers.${i}.parts.0.${part}s`, storedPart(name, cache[name], facts)] as const
        }),
      ),
  )

/**
 * Takes a cache of transformers.js as a session: `ids` are all tokens that went through its model, the last that `generate` gave not among them.
 * Where it holds fewer entries than ids, some were let go before, and those left stand at 0, 1, 2 …
 * Throws SHAPE where it is of another model or text.
 */
export const fromDynamicCache = async (
  model: Generator,
  cache: object,
  ids: readonly number[],
  options: SessionOptions = {},
): Promise<Session> => {
  const { cache: plan = [], seed = 0 } = options
  const decodable = decodableOf(model)
  checkCompact(plan, decodable.contextLength)
  const parts = partsOf(cache as Readonly<Record<string, RuntimeTensor>>, decodable)
  const lengths = Object.values(parts).map(({ shape }) => shape[1])
  const [next] = lengths
  if (lengths.some(length => length !== next)) throw refusal(`The layers of the cache hold ${[...new Set(lengths)].join(' and ')} entries.`)
  if (next === 0 || ids.length < next) throw refusal(`The cache holds ${next} entries of ${ids.length} ids.`)
  const layers = lengths.flatMap((_, i) => (i % 2 === 0 ? [{ next, parts: 1, wanted: 0 }] : []))
  const facts: CachesFacts = { seed, seen: ids.length, asked: plan.map(() => ids.length), changedAt: ids.length > next ? ids.length : 0, layers } // prettier-ignore
  const caches = await readCaches(decodable, plan, facts, { read: async name => parts[name], has: name => Object.hasOwn(parts, name) })
  try {
    return sessionOver(await sharedSource(model, options), caches, ids)
  } catch (error) {
    caches.dispose()
    throw error
  }
}
