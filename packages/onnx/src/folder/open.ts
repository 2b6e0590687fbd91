import { nodeFileSystem, type FileSystem } from '@tersor/formats/internal/files/file-system'
import type { GraphModel, GraphText } from '@tersor/models/graph-model'
import { openOnnxModel, type OnnxModel } from '../model.js'
import { decodingOf } from '../cache/decoding.js'
import { configOf, textOfGraph } from './text.js'

/** A graph with what its folder says of its text, also where units of it go. */
const withText = (model: OnnxModel, text: GraphText, config: Parameters<typeof decodingOf>[1]): GraphModel => {
  const decoding = decodingOf(model, config)
  const remake: GraphModel['remake'] = change => {
    const { rename, over } = model.remake!(change)
    return { rename, over: params => withText(over(params) as OnnxModel, text, config) }
  }
  return Object.freeze({ ...model, text, ...(decoding ? { decoding } : {}), ...(model.remake ? { remake } : {}) })
}

/** Opens the graph of a folder for transformers.js, with its tokenizer where it is a decoder. */
export const openOnnxFolder = async (path: string, folder: string, fs: FileSystem = nodeFileSystem()): Promise<GraphModel> => {
  const model = await openOnnxModel(path, { fileSystem: fs })
  try {
    const text = await textOfGraph(folder, model, fs)
    if (!text) return model
    return withText(model, text, await configOf(folder, fs))
  } catch (error) {
    await model.close?.()
    throw error
  }
}
