import { within, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { PAGE_FORMATS } from './page-formats.js'

/** What a page takes, in words. */
const ACCEPTED = 'Drop an .onnx or .gguf file, or a Hugging Face folder (config.json, model.safetensors, tokenizer.json).'

const DIRECT = ['.onnx', '.gguf']
const CONFIG = 'config.json'

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')))

/**
 * Where among dropped files the model is: a graph or GGUF file by itself, else the folder with a config.json that is nearest to the top.
 * Of a folder for transformers.js the folder is meant, and of several files the first by name. Throws UNSUPPORTED.
 */
export const modelAmong = (paths: readonly string[]): string => {
  const sorted = [...paths].sort((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))
  const config = sorted.find(path => nameOf(path) === CONFIG)
  if (config !== undefined) return folderOf(config) || '.'
  const direct = sorted.find(path => DIRECT.some(end => path.toLowerCase().endsWith(end)))
  if (direct !== undefined) return direct
  const names = sorted.slice(0, 3).map(nameOf).join(', ')
  throw new CompressionError('UNSUPPORTED', `${names || 'Nothing'} is no model that this page opens.`, ACCEPTED, { paths })
}

/** Opens a model that lies in memory. Throws what `openModel` throws. */
export const openInMemory = (fileSystem: FileSystem, path: string): Promise<OpenedModel> =>
  openModel(path, { fileSystem, formats: PAGE_FORMATS })

/** The files at a path, with what each holds: one, or all of a folder. */
export const filesAt = async (fs: FileSystem, path: string): Promise<readonly string[]> => {
  if (!(await fs.stat(path)).isDirectory()) return [path]
  const inside = await Promise.all((await fs.readdir(path)).map(name => filesAt(fs, within(path, name))))
  return inside.flat().sort()
}
