import type { GraphModel } from '@tersor/models/graph-model'
import { openOnnxModel } from '../model.js'
import { textOfGraph } from './text.js'

/** Opens the graph of a folder for transformers.js, with its tokenizer where it is a decoder. */
export const openOnnxFolder = async (path: string, folder: string): Promise<GraphModel> => {
  const model = await openOnnxModel(path)
  try {
    const text = await textOfGraph(folder, model)
    return text ? Object.freeze({ ...model, text }) : model
  } catch (error) {
    await model.close?.()
    throw error
  }
}
