import type * as tf from '@tensorflow/tfjs-core'
import { isRecord } from '@tersor/formats/internal/files/json-text'
import { openSafetensors } from '@tersor/formats/safetensors'
import type { GraphValue } from '@tersor/models'
import { dense, memoryStore, sizeOf, type Dense } from '@tersor/tensor'
import { basename } from 'node:path'
import { graphBatches } from '../graph-batches.js'
import { jsonTensors, readJson } from './json-tensors.js'
import { readNpy } from './npy.js'
import { pickedPlaces, type PickFlags } from './pick-samples.js'

/** Rows of an array that are computed with at once, where the graph leaves their number open. */
const MOST_ROWS = 64

/** Whether a file holds tensors for a graph, rather than images or texts. Throws what reading a .json throws. */
export const holdsTensors = async (path: string): Promise<boolean> => {
  if (/\.(safetensors|npy)$/i.test(path)) return true
  if (!/\.json$/i.test(path)) return false
  const value = await readJson(path)
  return !(isRecord(value) && isRecord(value.images))
}

/** Whether all of some files do. */
export const holdTensors = async (files: readonly string[]): Promise<boolean> => (await Promise.all(files.map(holdsTensors))).every(Boolean)

/** Some rows of an array. */
const rowsOf = ({ dtype, shape, bytes }: Dense, places: readonly number[]): Dense => {
  const size = bytes.length / shape[0]
  const taken = new Uint8Array(places.length * size)
  places.forEach((place, i) => taken.set(bytes.subarray(place * size, (place + 1) * size), i * size))
  return dense(dtype, [places.length, ...shape.slice(1)], taken)
}

/** Arrays of many rows as several batches, of as many rows as the graph takes; what is no such array stays as it is. */
const inBatches = (tensors: ReadonlyMap<string, Dense>, [first]: readonly GraphValue[], flags: PickFlags): ReadonlyMap<string, Dense> => {
  const all = [...tensors]
  const counts = new Set(all.map(([, { shape }]) => shape[0]))
  const [count] = counts
  const fixed = first.shape?.[0]
  const isFixed = typeof fixed === 'number' && fixed > 0
  const rows = isFixed ? fixed : MOST_ROWS
  const isWhole = all.every(([, { shape }]) => shape.length > 0 && sizeOf(shape) > 0)
  if (counts.size !== 1 || !isWhole || (count <= rows && flags.samples === undefined)) return tensors
  const places = pickedPlaces(count, flags)
  const batches = Math.max(1, isFixed ? Math.floor(places.length / rows) : Math.ceil(places.length / rows))
  const nameOf = (name: string, i: number): string => (batches === 1 ? name : `${name}.${i}`)
  return new Map(
    Array.from({ length: batches }, (_, i) => places.slice(i * rows, (i + 1) * rows)).flatMap((taken, i) =>
      all.map(([name, tensor]) => [nameOf(name, i), rowsOf(tensor, taken)] as const),
    ),
  )
}

/** Tensors of .npy files, called after them, and of .json files. */
const looseTensors = async (
  files: readonly string[],
  values: readonly GraphValue[],
  flags: PickFlags,
): Promise<ReadonlyMap<string, Dense>> => {
  const isFloat = (input: string): boolean => (values.find(({ name }) => name === input) ?? values[0]).dtype.startsWith('float')
  const made = new Map<string, Dense>()
  for (const file of files) {
    if (/\.npy$/i.test(file)) made.set(basename(file).replace(/\.npy$/i, ''), await readNpy(file))
    else for (const [name, tensor] of jsonTensors(file, await readJson(file), values[0].name, isFloat)) made.set(name, tensor)
  }
  return inBatches(made, values, flags)
}

/**
 * Batches of a graph's inputs from .safetensors, .npy and .json files; the caller disposes them. Arrays of many rows become several batches.
 * Throws NOT_FOUND, DISK and BAD_DATA, which says what the graph takes.
 */
export const graphInputs = async (values: readonly GraphValue[], files: readonly string[], flags: PickFlags = {}): Promise<tf.Tensor[]> => {
  const [stored, loose] = [files.filter(file => /\.safetensors$/i.test(file)), files.filter(file => !/\.safetensors$/i.test(file))]
  const made: tf.Tensor[] = []
  try {
    for (const file of stored) {
      const store = await openSafetensors(file)
      try {
        made.push(...(await graphBatches(values, store, file)))
      } finally {
        await store.close()
      }
    }
    if (loose.length > 0) {
      const tensors = await looseTensors(loose, values, flags)
      made.push(...(await graphBatches(values, memoryStore(Object.fromEntries(tensors)), loose.join(', '))))
    }
  } catch (error) {
    made.forEach(tensor => tensor.dispose())
    throw error
  }
  if (loose.length > 0 || flags.samples === undefined) return made
  const places = new Set(pickedPlaces(made.length, flags))
  made.forEach((tensor, i) => places.has(i) || tensor.dispose())
  return made.filter((_, i) => places.has(i))
}
