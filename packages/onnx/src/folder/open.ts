import type { GraphModel } from '@tersor/models/graph-model'
import { openOnnxModel } from '../model.js'
import { decodingOf } from '../cache/decoding.js'
import { configOf, textOfGraph } from './text.js'

/** Opens the graph of a folder for transformers.js, with its tokenizer where it is a decoder. */
export const openOnnxFolder = async (path: string, folder: string): Promise<GraphModel> => {
  const model = await openOnnxModel(path)
  try {
    const text = await textOfGraph(folder, model)
    if (!text) return model
    const decoding = decodingOf(model, await configOf(folder))
    return Object.freeze({ ...model, text, ...(decoding ? { decoding } : {}) })
  } catch (error) {
    await model.close?.()
    throw error
  }
}
