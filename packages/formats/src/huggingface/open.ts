import type { Provenance } from '@tersor/core'
import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { readSmallFile } from '../files/byte-source.js'
import { diskError, nodeFileSystem, within, withoutSlash, type FileSystem } from '../files/file-system.js'
import { isRecord, parseJson, parseText, type Json } from '../files/json-text.js'
import { openSafetensors, type OpenOptions } from '../safetensors/open.js'
import { MAX_CONFIG_BYTES, MAX_CONFIG_DEPTH, MAX_SIDE_FILE_BYTES, SIDE_FILES } from './files.js'
import { DESCRIPTIONS } from './quantized/description.js'
import { openQuantized } from './quantized/open.js'
import { withoutTersor } from './quantization-config.js'

/** A model as the Hugging Face hub stores it. */
export interface HuggingFaceFolder {
  /** config.json, without what Tersor wrote there for other loaders. */
  readonly config: Json
  readonly generationConfig?: Json
  readonly params: ParameterStore
  /** Tokenizer and other side files by name, to carry along. */
  readonly files: Readonly<Record<string, Uint8Array>>
  readonly provenance: readonly Provenance[]
  /** What was read otherwise than other runtimes compute it, a sentence each. */
  readonly notes: readonly string[]
  close(): Promise<void>
}

const CONFIG = 'config.json'
const GENERATION = 'generation_config.json'
const WEIGHTS = /^model\.safetensors(\.index\.json)?$/

const missing = (dir: string, what: string, names: readonly string[]): CompressionError =>
  new CompressionError(
    'NOT_FOUND',
    `${dir} has no ${what}; it has ${names.slice(0, 8).join(', ') || 'nothing'}.`,
    names.some(name => /\.(bin|pt|pth|h5|msgpack)$/.test(name))
      ? 'Save the model as safetensors first.'
      : 'Pass the folder that holds config.json and model.safetensors.',
    { dir, names },
  )

/** A JSON file that must hold an object; throws BAD_FILE. */
export const parseObject = (bytes: Uint8Array, path: string): Json => {
  const value = parseJson(parseText(bytes, path), path, MAX_CONFIG_DEPTH)
  if (!isRecord(value)) throw badFile(`${path} is not an object.`)
  return value
}

const readFiles = async (dir: string, names: readonly string[], fs: FileSystem): Promise<Readonly<Record<string, Uint8Array>>> => {
  const found = SIDE_FILES.filter(name => names.includes(name))
  const entries = found.map(async name => [name, await readSmallFile(within(dir, name), MAX_SIDE_FILE_BYTES, fs)] as const)
  return Object.freeze(Object.fromEntries(await Promise.all(entries)))
}

/** The files in which tools describe a quantization beside config.json. */
const readDescriptions = async (dir: string, names: readonly string[], fs: FileSystem): Promise<Readonly<Record<string, Json>>> => {
  const found = Object.keys(DESCRIPTIONS).filter(name => names.includes(name))
  const read = async (name: string) => parseObject(await readSmallFile(within(dir, name), MAX_CONFIG_BYTES, fs), within(dir, name))
  return Object.fromEntries(await Promise.all(found.map(async name => [name, await read(name)] as const)))
}

/**
 * Opens a Hugging Face folder: config.json, model.safetensors or its shards, and the side files.
 * Layers that another tool quantized come as trees, and the config without that: see `READERS`; a method that is not read is refused by its name.
 * Throws NOT_FOUND (saying what the folder has), BAD_FILE, UNKNOWN_CODEC, UNSUPPORTED and DISK.
 */
export const openHuggingFace = async (path: string, options: OpenOptions = {}): Promise<HuggingFaceFolder> => {
  const dir = withoutSlash(path)
  const fs = options.fileSystem ?? nodeFileSystem()
  const names = await fs.readdir(dir).catch((cause: unknown) => {
    throw diskError(dir, cause)
  })
  if (!names.includes(CONFIG)) throw missing(dir, CONFIG, names)
  if (!names.some(name => WEIGHTS.test(name))) throw missing(dir, 'model.safetensors', names)
  const config = parseObject(await readSmallFile(within(dir, CONFIG), MAX_CONFIG_BYTES, fs), within(dir, CONFIG))
  const files = await readFiles(dir, names, fs)
  const generation = files[GENERATION] && parseObject(files[GENERATION], within(dir, GENERATION))
  const params = await openSafetensors(dir, options)
  const quantized = await readDescriptions(dir, names, fs)
    .then(beside => openQuantized(params, config, beside))
    .catch((error: unknown) => params.close().then(() => Promise.reject(error)))
  return Object.freeze({
    config: quantized?.config ?? withoutTersor(config),
    ...(generation ? { generationConfig: generation } : {}),
    params: quantized?.params ?? params,
    files,
    provenance: params.provenance,
    notes: quantized?.notes ?? [],
    close: () => params.close(),
  })
}
