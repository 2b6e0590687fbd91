import { nodeFileSystem, type FileSystem } from '@tersor/formats/internal/files/file-system'
import type { GraphModel } from '@tersor/models/graph-model'
import { openOnnxModel } from '../model.js'
import { decodingOf } from '../cache/decoding.js'
import { configOf, textOfGraph } from './text.js'

/** Opens the graph of a folder for transformers.js, with its tokenizer where it is a decoder. */
export const openOnnxFolder = async (path: string, folder: string, fs: FileSystem = nodeFileSystem()): Promise<GraphModel> => {
  const model = await openOnnxModel(path, { fileSystem: fs })
  try {
    const text = await textOfGraph(folder, model, fs)
    if (!text) return model
    const decoding = decodingOf(model, await configOf(folder, fs))
    return Object.freeze({ ...model, text, ...(decoding ? { decoding } : {}) })
  } catch (error) {
    await model.close?.()
    throw error
  }
}
