import { memoryFileSystem, type MemoryFileSystem } from '@tersor/formats/memory'
import type { OpenedModel } from '@tersor/models/open-model'
import { sizeOf } from '@tersor/tensor'
import { modelAmong, openInMemory, targetsFor } from 'tersor/browser'
import type { DroppedFile, ModelFacts } from './messages.js'

/** A model that was dropped, and the files that it is read from. */
export interface Opened {
  readonly fileSystem: MemoryFileSystem
  readonly path: string
  readonly model: OpenedModel
  readonly facts: ModelFacts
}

/** What holds weights, by kind: a folder of a hub may hold the same model in several, and is read from the first. */
const KINDS = [/\.safetensors$/i, /\.gguf$/i, /\.(onnx|onnx_data|onnx\.data)$/i]

/** Bytes of the files with weights at or below a path that a model there is read from. */
export const weightBytes = (fileSystem: MemoryFileSystem, path: string): number => {
  const paths = fileSystem
    .paths()
    .filter(each => path === '.' || each === path || each.startsWith(`${path}/`) || each.startsWith(`${path}_`))
  const kind = KINDS.find(each => paths.some(file => each.test(file)))
  return paths.filter(each => kind?.test(each)).reduce((sum, each) => sum + fileSystem.blob(each).size, 0)
}

const comparesBy = (model: OpenedModel, path: string): ModelFacts['compares'] => {
  if (model.family === 'language') return model.tokenizer ? 'text' : undefined
  return model.family === 'graph' && __WITH_RUNTIME__ && path.endsWith('.onnx') ? 'outputs' : undefined
}

const nameOf = (path: string): string => (path === '.' ? 'model' : path.slice(path.lastIndexOf('/') + 1))

/** Opens what was dropped. Throws UNSUPPORTED, NOT_FOUND and BAD_FILE. */
export const openDropped = async (files: readonly DroppedFile[]): Promise<Opened> => {
  const fileSystem = memoryFileSystem(Object.fromEntries(files.map(({ path, file }) => [path, file])))
  const path = modelAmong(fileSystem.paths())
  const model = await openInMemory(fileSystem, path)
  const parameters = model.params.names().reduce((sum, name) => sum + sizeOf(model.params.info(name).shape), 0)
  return {
    ...{ fileSystem, path, model },
    facts: {
      ...{ name: nameOf(path), architecture: model.architecture, parameters, bytes: weightBytes(fileSystem, path) },
      ...{ compares: comparesBy(model, path), targets: await targetsFor(model) },
    },
  }
}
