import { CORE_CODECS } from '@tersor/core/core-codecs'
import { prompted } from '@tersor/core/prompted'
import { quantizedActivations } from '@tersor/core/activation-grid'
import { CompressionError } from '@tersor/tensor'
import { nodeFileSystem, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { ACCEPTED, type Format } from '../formats/format.js'
import { loadFormats } from './formats.js'
import type { OpenedModel, OpenModelOptions } from './opened-model.js'

export type { OpenedModel, OpenModelOptions } from './opened-model.js'

const unknownKind = (path: string): CompressionError =>
  new CompressionError('UNSUPPORTED', `${path} is no model that this package opens.`, ACCEPTED, { path })

/** What stands at a path. */
export interface Located {
  readonly format: Format
  /** The file to open, or the folder. */
  readonly path: string
  /** Where it was found, if in a folder. */
  readonly folder?: string
}

/** Where a model is looked for, and as what. */
export interface LocateOptions {
  /** Node's where absent. */
  readonly fileSystem?: FileSystem
  /** Those that are installed where absent; a bundle, which cannot look for packages by name, says which it has. */
  readonly formats?: readonly Format[]
}

/** Finds the format of what stands at a path; throws NOT_FOUND, and UNSUPPORTED (saying what is accepted) for an end that no format has. */
export const locateModel = async (
  path: string,
  { fileSystem = nodeFileSystem(), formats: given }: LocateOptions = {},
): Promise<Located> => {
  const stat = await fileSystem.stat(path).catch((cause: unknown) => {
    throw new CompressionError('NOT_FOUND', `There is nothing at ${path}.`, ACCEPTED, { path }, cause)
  })
  const formats = given ?? (await loadFormats())
  if (!stat.isDirectory()) {
    const format = formats.find(({ ends = [] }) => ends.some(end => path.toLowerCase().endsWith(end)))
    if (!format) throw unknownKind(path)
    return { format, path }
  }
  const names = await fileSystem.readdir(path)
  for (const format of formats) {
    const found = await format.find?.(path, names, fileSystem)
    if (found !== undefined) return { format, path: found, folder: path }
  }
  return { format: formats[0], path, folder: path }
}

/**
 * Opens the model at a path: a Hugging Face folder, a GGUF file, an ONNX graph or a folder with one, the model.json of a tfjs graph or layers
 * model or the folder with it, or a ResNet's weights with their description beside them.
 * Only headers and small files are read, and with `cut` what is compressed, once. Throws NOT_FOUND, UNSUPPORTED (saying what is accepted), what
 * the reader of the format throws, and what `cutSorted` throws.
 */
export const openModel = async (
  path: string,
  { codecs = [], formats, cut, ...options }: OpenModelOptions & Pick<LocateOptions, 'formats'> = {},
): Promise<OpenedModel> => {
  const { fileSystem } = options
  const {
    format,
    path: found,
    folder,
  } = await locateModel(path, { ...(fileSystem ? { fileSystem } : {}), ...(formats ? { formats } : {}) })
  if (!format.open) throw unknownKind(path)
  const model = prompted(quantizedActivations(await format.open(found, { ...options, codecs: [...CORE_CODECS, ...codecs] }, folder)))
  if (cut === undefined) return model
  try {
    const { cutSorted } = await import('@tersor/core/cut-sorted')
    return await cutSorted(model, cut)
  } catch (error) {
    await model.close?.()
    throw error
  }
}
