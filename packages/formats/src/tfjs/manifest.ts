import { quoted, sizeOf, type CompressionError, type Shape } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { isPathBeside } from '../files/file-system.js'
import { isCounts, isRecord, type Json } from '../files/json-text.js'

/** More weights than any network has; a manifest of that many has some hundred megabytes. */
export const MAX_WEIGHTS = 1 << 20
/** tfjs itself stops at six axes. */
export const MAX_AXES = 6

/** How numbers are kept: value = code · scale + min, or halves. */
export type Quantization =
  { readonly dtype: 'uint8' | 'uint16'; readonly scale: number; readonly min: number } | { readonly dtype: 'float16' }

/** What weights are in the network; strings are no parameters, and kept as they are. */
export type WeightDType = 'float32' | 'int32' | 'bool' | 'complex64' | 'string'

/** One weight of a manifest and where its bytes stand in its group. */
export interface WeightEntry {
  readonly name: string
  readonly shape: Shape
  readonly dtype: WeightDType
  readonly quantization?: Quantization
  readonly group: number
  readonly offset: number
  readonly bytes: number
  /** Of strings, as they stand in the file: each with its length before it. */
  readonly content?: Uint8Array
}

/** Files that are one run of bytes once joined, and the weights in them. */
export interface WeightGroup {
  readonly paths: readonly string[]
  readonly bytes: number
}

export interface Manifest {
  readonly groups: readonly WeightGroup[]
  readonly weights: ReadonlyMap<string, WeightEntry>
}

/** Of an element; those of strings are told by the file. */
const BYTES: Readonly<Record<WeightDType, number>> = { float32: 4, int32: 4, bool: 1, complex64: 8, string: 0 }
const QUANTIZED_BYTES = { uint8: 1, uint16: 2, float16: 2 } as const

/** Those that are known. */
export const WEIGHT_DTYPES = Object.keys(BYTES) as readonly WeightDType[]

const isWeightDType = (dtype: unknown): dtype is WeightDType => typeof dtype === 'string' && Object.hasOwn(BYTES, dtype)

const dtypeOf = (name: string, dtype: unknown): WeightDType => {
  if (isWeightDType(dtype)) return dtype
  throw badFile(`The dtype of the weight "${name}" is ${quoted(dtype)}.`)
}

const quantizationOf = (name: string, given: unknown, dtype: WeightDType): Quantization | undefined => {
  if (given === undefined) return undefined
  const bad = (): CompressionError => badFile(`The quantization of the weight "${name}" is ${quoted(given)}.`)
  if (!isRecord(given) || (dtype !== 'float32' && dtype !== 'int32')) throw bad()
  const { dtype: stored, scale, min } = given
  if (stored === 'float16' && dtype === 'float32') return { dtype: stored }
  const finite = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(Math.fround(value))
  if ((stored !== 'uint8' && stored !== 'uint16') || !finite(scale) || !finite(min)) throw bad()
  if (!Number.isFinite(Math.fround(min + scale * (stored === 'uint8' ? 255 : 65535)))) throw bad()
  return { dtype: stored, scale, min }
}

const weightOf = (given: unknown, group: number, offset: number): WeightEntry => {
  if (!isRecord(given) || typeof given.name !== 'string' || given.name === '')
    throw badFile(`A weight of the manifest is ${quoted(given)}.`)
  const { name, shape } = given
  if (!isCounts(shape) || shape.length > MAX_AXES) throw badFile(`The shape of the weight "${name}" is ${quoted(shape)}.`)
  const dtype = dtypeOf(name, given.dtype)
  const quantization = quantizationOf(name, given.quantization, dtype)
  const bytes = sizeOf(shape) * (quantization ? QUANTIZED_BYTES[quantization.dtype] : BYTES[dtype])
  if (!Number.isSafeInteger(offset + bytes)) throw badFile(`The weight "${name}" of shape ${quoted(shape)} is larger than any file.`)
  return { name, shape: Object.freeze([...shape]), dtype, ...(quantization ? { quantization } : {}), group, offset, bytes }
}

/** Checks a weights manifest: names once, shapes and quantization that can be, paths beside it. Throws BAD_FILE. */
export const parseManifest = (value: unknown): Manifest => {
  if (!Array.isArray(value)) throw badFile(`The weights manifest is ${quoted(value)}, expected a list of groups.`)
  const weights = new Map<string, WeightEntry>()
  const groups = value.map((group: unknown, index): WeightGroup => {
    if (!isRecord(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights))
      throw badFile(`Group ${index} of the weights manifest has no "paths" and "weights".`)
    const paths = group.paths as readonly unknown[]
    const stranger = paths.find(path => !isPathBeside(path))
    if (stranger !== undefined)
      throw badFile(`A path of the weights manifest is ${quoted(stranger)}.`, 'Files stand beside the manifest or below it.')
    let offset = 0
    for (const given of group.weights as readonly unknown[]) {
      const entry = weightOf(given, index, offset)
      if (weights.has(entry.name)) throw badFile(`The weights manifest has "${entry.name}" twice.`)
      if (weights.size >= MAX_WEIGHTS) throw badFile(`The weights manifest has more than ${MAX_WEIGHTS} weights.`)
      weights.set(entry.name, entry)
      offset += entry.bytes
    }
    return { paths: paths as readonly string[], bytes: offset }
  })
  return { groups, weights }
}

/** The file's JSON: a model.json with "weightsManifest", or a manifest by itself, as older libraries ship it. */
export const manifestOf = (json: unknown): { readonly manifest: Manifest; readonly description: Json } => {
  if (Array.isArray(json)) return { manifest: parseManifest(json), description: {} }
  if (!isRecord(json)) throw badFile('The model is neither an object nor a list.')
  const { weightsManifest, ...description } = json
  return { manifest: parseManifest(weightsManifest), description }
}
