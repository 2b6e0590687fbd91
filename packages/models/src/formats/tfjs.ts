import { folderOf, within } from '@tersor/formats/internal/files/file-system'
import { CompressionError } from '@tersor/tensor'
import type { OpenedModel } from '../opening/opened-model.js'
import type { TfjsGraphModel } from '../imported/tfjs/model.js'
import { fileSystem, type Format } from './format.js'

const MODEL = 'model.json'

interface Group {
  readonly paths: readonly string[]
}

const noGraph = (architecture: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `The format tfjs holds graphs and layers of TensorFlow.js, and ${architecture} is neither: nothing could load it.`,
    'Use --format onnx, which transformers.js and onnxruntime-web run in browsers, or gguf.',
    { format: 'tfjs', architecture },
  )

/** A graph or layers model of TensorFlow.js: its model.json, or the folder that has one. */
export const tfjsFormat: Format = {
  name: 'tfjs',
  ends: ['.json'],
  find: async (folder, names) => (names.includes(MODEL) && !names.includes('config.json') ? within(folder, MODEL) : undefined),
  open: async (path, { parametersOnly = false, fileSystem: fs }) =>
    (await import('../imported/tfjs/model.js')).openTfjsModel(path, { parametersOnly, ...(fs ? { fileSystem: fs } : {}) }),
  // the shards that the manifest names
  weightFiles: async path => {
    const json = JSON.parse(await fileSystem().readFile(path, 'utf8')) as { weightsManifest?: readonly Group[] }
    const groups = json.weightsManifest ?? (Array.isArray(json) ? (json as readonly Group[]) : [])
    return [path, ...groups.flatMap(({ paths }) => paths.map(name => within(folderOf(path), name)))]
  },
  writer: {
    entry: MODEL,
    holds: [],
    options: ['dtype'],
    dtypes: ['f32', 'f16'],
    ownNames: true,
    refuses: (model: OpenedModel) => (model.family === 'graph' ? undefined : noGraph(model.architecture)),
    sink: async () => {
      const { tfjsSink } = await import('@tersor/formats/tfjs')
      return (path, model, options) => tfjsSink(path, { ...(model as TfjsGraphModel).file, ...options })
    },
    runtime: async () => (await import('./tfjs-runtime.js')).tfjs,
  },
}
