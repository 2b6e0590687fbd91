import * as tf from '@tensorflow/tfjs-core'
import { fromFloat32, fromIntegers, toFloat32, toInt32, type Dense, type Parameter } from '@tersor/tensor'
import type { Model } from '../model/model.js'
import { cachesFrom, type Caches } from './caches.js'
import { checkPlan } from './check-plan.js'
import { flat } from './entries.js'
import { heldCache, type HeldCache } from './held-cache.js'
import { lastQueries } from './last-queries.js'
import type { AttentionFacts, Entries } from './layer-cache.js'
import { lengthsOf, type Page } from './page.js'
import type { Sums } from './planned-layer.js'
import type { CachePlan } from './policy.js'
import { factsOfPages, readPages, storedPages, type PageFacts } from './stored-pages.js'
import { checkedPositions, numbers, refusal, type Reading } from './stored-parts.js'

/** What is not numbers in tensors of the state of caches; plain data. */
export interface CachesFacts {
  readonly seed: number
  readonly seen: number
  readonly asked: readonly number[]
  readonly changedAt: number
  /** Of each layer with attention: the position of its next token, how many parts it has, its pages, and of how many queries it keeps the last. */
  readonly layers: readonly {
    readonly next: number
    readonly parts: number
    readonly pages?: readonly PageFacts[]
    readonly wanted: number
  }[]
}

export interface StoredCaches {
  readonly facts: CachesFacts
  readonly parameters: Readonly<Record<string, Parameter>>
}

const stored = async (tensor: tf.Tensor): Promise<Dense> => fromFloat32(await tensor.data<'float32'>(), 'f32', tensor.shape)

const whole = (values: ArrayLike<number>): Dense => fromIntegers(values, 'i32', [values.length])

const numbersOf = (lists: readonly Float32Array[]): Dense => {
  const all = flat(lists)
  return fromFloat32(all, 'f32', [all.length])
}

const storedLayer = async (
  name: string,
  { held, pages, queries }: HeldCache,
  { sums, counts }: Sums,
): Promise<readonly (readonly [string, Parameter])[]> => {
  const all: (readonly [string, Parameter])[] = [...storedPages(name, pages)]
  for (const [i, { keys, values, positions, counts: merged }] of held.entries()) {
    const part = `${name}.parts.${i}`
    all.push([`${part}.keys`, await stored(keys)], [`${part}.values`, await stored(values)])
    if (positions) all.push([`${part}.positions`, whole(positions)])
    if (merged) all.push([`${part}.counts`, numbersOf([merged])])
  }
  if (sums.length > 0) all.push([`${name}.sums`, numbersOf(sums)], [`${name}.counts`, numbersOf(counts)])
  if (queries.value)
    all.push([`${name}.queries`, await stored(queries.value.values)], [`${name}.query_positions`, whole(queries.value.positions)])
  return all
}

/** All that caches go on from, as bytes by name. */
export const storeCaches = async (caches: Caches): Promise<StoredCaches> => {
  const { layers, sums, asked, changedAt } = caches.state
  const own = layers.filter(layer => layer !== undefined)
  const parameters: Record<string, Parameter> = {}
  for (const [i, layer] of own.entries()) Object.assign(parameters, Object.fromEntries(await storedLayer(`layers.${i}`, layer, sums[i])))
  const facts = own.map(({ next, held, pages, queries }) => ({
    ...{ next, parts: held.length, wanted: queries.wanted },
    ...(pages.length > 0 && { pages: factsOfPages(pages) }),
  }))
  return { facts: { seed: caches.seed, seen: caches.seen, asked, changedAt, layers: facts }, parameters }
}

const readPart = async (part: string, { read, has }: Reading, { size }: AttentionFacts, next: number): Promise<Entries> => {
  const [keys, values] = [
    numbers(`${part}.keys`, await read(`${part}.keys`), 'f32'),
    numbers(`${part}.values`, await read(`${part}.values`), 'f32'),
  ]
  const [rows, entries, width] = keys.shape
  if (keys.shape.length !== 3 || width !== size || entries === 0)
    throw refusal(`${part}.keys`, `is [${keys.shape}], expected [rows, entries, ${size}]`)
  if (String(values.shape) !== String(keys.shape)) throw refusal(`${part}.values`, `is [${values.shape}], and its keys are [${keys.shape}]`)
  const name = `${part}.positions`
  const positions = has(name) ? checkedPositions(name, toInt32(numbers(name, await read(name), 'i32')), entries, rows, next) : undefined
  if (!positions && entries > next) throw refusal(`${part}.keys`, `holds ${entries} entries before position ${next}`)
  const counts = has(`${part}.counts`) ? toFloat32(numbers(`${part}.counts`, await read(`${part}.counts`), 'f32')) : undefined
  if (counts && counts.length !== rows * entries)
    throw refusal(`${part}.counts`, `has ${counts.length} numbers for ${rows} rows of ${entries}`)
  const upload = (leaf: Dense): tf.Tensor => tf.tensor(toFloat32(leaf), [...leaf.shape], 'float32')
  return { keys: upload(keys), values: upload(values), ...(positions && { positions }), ...(counts && { counts }) }
}

/** A flat list cut into the rows of a layer; those of entries that came since the sums were made are not in it. */
const byRow = (name: string, values: Float32Array, lengths: readonly number[]): readonly Float32Array[] => {
  const total = lengths.reduce((sum, length) => sum + length, 0)
  const since = (total - values.length) / lengths.length
  if (!Number.isInteger(since) || since < 0 || since > Math.min(...lengths))
    throw refusal(name, `has ${values.length} numbers for ${total} entries`)
  let at = 0
  return lengths.map(length => values.slice(at, (at += length - since)))
}

const readQueries = async (name: string, { read, has }: Reading, { heads, keyHeads, size }: AttentionFacts, wanted: number) => {
  if (!has(`${name}.queries`)) return lastQueries(undefined, wanted)
  const values = numbers(`${name}.queries`, await read(`${name}.queries`), 'f32')
  const positions = toInt32(numbers(`${name}.query_positions`, await read(`${name}.query_positions`), 'i32'))
  const shape = [keyHeads, heads / keyHeads, positions.length, size]
  if (String(values.shape) !== String(shape)) throw refusal(`${name}.queries`, `is [${values.shape}], expected [${shape}]`)
  return lastQueries({ values: tf.tensor4d(toFloat32(values), shape as [number, number, number, number]), positions }, wanted)
}

const readLayer = async (
  name: string,
  attention: AttentionFacts,
  reading: Reading,
  facts: CachesFacts,
  index: number,
): Promise<readonly [HeldCache, Sums]> => {
  const { next, parts, pages: pageFacts = [], wanted } = facts.layers[index]
  const held: Entries[] = []
  try {
    for (let i = 0; i < parts; i++) held.push(await readPart(`${name}.parts.${i}`, reading, attention, next))
    const rows = held.reduce((sum, { keys }) => sum + keys.shape[0], 0)
    if (rows !== (facts.seen === 0 ? 0 : attention.keyHeads))
      throw refusal(name, `has ${rows} rows, and the layer ${attention.keyHeads} key heads`)
    const pages: readonly Page[] = await readPages(name, pageFacts, reading, attention, held, next)
    const lengths = lengthsOf(pages, held)
    const list = async (what: string) => byRow(`${name}.${what}`, toFloat32(numbers(`${name}.${what}`, await reading.read(`${name}.${what}`), 'f32')), lengths) // prettier-ignore
    const sums = reading.has(`${name}.sums`) ? { sums: await list('sums'), counts: await list('counts') } : { sums: [], counts: [] }
    const queries = await readQueries(name, reading, attention, wanted)
    return [heldCache(attention, { held, pages, seen: facts.seen, next, queries }), sums]
  } catch (error) {
    held.forEach(({ keys, values }) => tf.dispose([keys, values]))
    throw error
  }
}

/** Caches of one text as `storeCaches` left them, for the same network and plan. Throws BAD_FILE for what does not fit the network. */
export const readCaches = async (
  { stages }: Pick<Model, 'stages'>,
  plan: CachePlan,
  facts: CachesFacts,
  reading: Reading,
): Promise<Caches> => {
  checkPlan(plan, stages)
  const own = stages.flatMap(({ attention }) => attention ?? [])
  if (facts.layers.length !== own.length) throw refusal('layers', `are ${facts.layers.length}, and the network has ${own.length}`)
  const read: (readonly [HeldCache, Sums])[] = []
  try {
    for (const [i, attention] of own.entries()) read.push(await readLayer(`layers.${i}`, attention, reading, facts, i))
  } catch (error) {
    read.forEach(([layer]) => layer.dispose())
    throw error
  }
  let at = 0
  const layers = stages.map(({ attention }) => (attention ? read[at++][0] : undefined))
  return cachesFrom(stages, plan, facts.seed, {
    layers,
    sums: read.map(([, sums]) => sums),
    asked: facts.asked,
    changedAt: facts.changedAt,
  })
}
