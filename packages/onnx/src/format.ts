import { folderOf, nameOf, nodeFileSystem, within, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { filesOf } from '@tersor/models/internal/formats/huggingface'
import type { Format } from '@tersor/models/internal/formats/format'
import { CompressionError } from '@tersor/tensor'
import type { OnnxForm } from './file/forms/stored.js'
import type { OnnxModel } from './model.js'

const list = (folder: string, fs: FileSystem = nodeFileSystem()): Promise<string[]> => fs.readdir(folder).catch(() => [])

const isFolder = (out: string): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `--out ${out} names a file, and a network of text becomes a folder: its graph, config and tokenizer.`,
    'Choose an --out without .onnx at its end.',
    { out },
  )

const isNoGraph = (out: string): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `--out ${out} does not say that it is a graph, by which files are opened.`,
    `Let it end in .onnx: --out ${out}.onnx.`,
    { out },
  )

const isFile = (out: string): boolean => out.toLowerCase().endsWith('.onnx')

/** An ONNX graph by itself, or in a folder for transformers.js: one without weights of its own. */
export const onnxFormat: Format = {
  name: 'onnx',
  ends: ['.onnx'],
  find: async (folder, names, fs) => {
    if (names.some(name => name.endsWith('.safetensors') || name.endsWith('.safetensors.index.json'))) return undefined
    const graphs = (await list(within(folder, 'onnx'), fs)).filter(name => name.endsWith('.onnx'))
    if (graphs.length === 0) return undefined
    const chosen = await (await import('./folder/usual-graph.js')).usualGraph(folder, graphs, fs)
    return chosen && within(folder, `onnx/${chosen}`)
  },
  open: async (path, { fileSystem: fs }, folder) =>
    folder === undefined
      ? (await import('./model.js')).openOnnxModel(path, fs ? { fileSystem: fs } : {})
      : (await import('./folder/open.js')).openOnnxFolder(path, folder, fs),
  // files beside it that are named after it hold its data
  weightFiles: async path => {
    const others = (await list(folderOf(path))).filter(other => other !== nameOf(path) && other.startsWith(nameOf(path)))
    return [path, ...others.map(other => within(folderOf(path), other))]
  },
  writer: {
    end: '.onnx',
    holds: ['language', 'encoder'],
    options: ['form', 'dtype'],
    dtypes: ['f32', 'f16'],
    roundsTo: ['f16'],
    ownNames: true,
    refuses: (model, out) => {
      if (model.family === 'graph') return (model as OnnxModel).folder || isFile(out) ? undefined : isNoGraph(out)
      return (model.family === 'language' || model.family === 'encoder') && isFile(out) ? isFolder(out) : undefined
    },
    // weights go back into the graph they came from; a language model or an encoder becomes a graph
    sink: async ({ form, dtype }) => {
      const { onnxSink } = await import('./file.js')
      const { onnxGraphFolderSink } = await import('./folder/graph-sink.js')
      const { onnxDecoderSink } = await import('./decoder.js')
      const { onnxEncoderSink } = await import('./encoder.js')
      const float = dtype === 'f16' ? { float: 'f16' as const } : {}
      const stored = { ...float, ...(form === undefined ? {} : { form: form as OnnxForm }) }
      return (path, model, options) => {
        if (model.family === 'graph') {
          const { onnx: source, folder: around } = model as OnnxModel
          if (around && !isFile(path)) return onnxGraphFolderSink(path, { source, around, ...options, ...stored })
          return onnxSink(path, { source, ...options, ...stored })
        }
        if (model.family === 'encoder') return onnxEncoderSink(path, model, { ...options, ...stored })
        return onnxDecoderSink(path, { rawConfig: model.rawConfig, ...filesOf(model) }, { ...options, ...stored })
      }
    },
    runtime: async () => (await import('./runtime.js')).onnxRuntime,
  },
}
