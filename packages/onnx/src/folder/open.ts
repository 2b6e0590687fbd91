import { nameOf, nodeFileSystem, type FileSystem } from '@tersor/formats/internal/files/file-system'
import type { GraphModel, GraphText } from '@tersor/models/graph-model'
import type { RawConfig } from '@tersor/models/raw-config'
import { decodingOf } from '../cache/decoding.js'
import { openOnnxModel, type GraphFolder, type OnnxModel } from '../model.js'
import { configNow } from './cut-config.js'
import { configOf, filesBeside, textOfGraph } from './text.js'

/** What a folder says of its graph, as that was read. */
interface Around {
  readonly folder: GraphFolder
  readonly config: RawConfig
  readonly text?: GraphText
}

/** A graph with what its folder says of it, also where units of it go. */
const around = (model: OnnxModel, told: Around): OnnxModel => {
  const { folder, config, text } = told
  const decoding = text && decodingOf(model, model.onnx === folder.graph ? config : configNow(config, folder.graph, model.onnx))
  const remake: OnnxModel['remake'] = change => {
    const { rename, over } = model.remake!(change)
    return { rename, over: params => around(over(params) as OnnxModel, told) }
  }
  return Object.freeze({
    ...{ ...model, folder },
    ...(text ? { text } : {}),
    ...(decoding ? { decoding } : {}),
    ...(model.remake ? { remake } : {}),
  })
}

/** Opens the graph of a folder for transformers.js, with its tokenizer where it is a decoder. */
export const openOnnxFolder = async (path: string, folder: string, fs: FileSystem = nodeFileSystem()): Promise<GraphModel> => {
  const model = await openOnnxModel(path, { fileSystem: fs })
  try {
    const [text, config, files] = await Promise.all([textOfGraph(folder, model, fs), configOf(folder, fs), filesBeside(folder, fs)])
    return around(model, { folder: { file: nameOf(path), files, graph: model.onnx }, config, ...(text ? { text } : {}) })
  } catch (error) {
    await model.close?.()
    throw error
  }
}
