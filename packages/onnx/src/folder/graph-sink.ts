import { fileSink } from '@tersor/formats/internal/files/output'
import { makeFolder, within, writeFile } from '@tersor/formats/internal/files/file-system'
import type { ModelFiles } from '@tersor/models/raw-config'
import type { ParameterSink, ParameterStore } from '@tersor/tensor'
import { graphWriter, type GraphResult, type OnnxSinkOptions } from '../file/sink.js'
import { openOnnx, type Onnx } from '../file/open.js'
import { withTrees } from '../file/trees.js'
import { tensorTypeOf } from '../file/model.js'
import { typeOf } from '../file/data-types.js'
import type { GraphFolder } from '../model.js'
import { configAfter } from './cut-config.js'
import { encodeJson, fileFor } from './sink.js'
import { parsed } from './text.js'

/** Whether a graph computes in halves, told by the caches that it takes. */
const floatOf = ({ graph }: Onnx): string => (graph.input.some(input => tensorTypeOf(input)?.elemType === typeOf('f16')) ? 'f16' : 'f32')

/** What the graph is called: as before where no weights are codes now, else as transformers.js looks for it. */
const nameFor = (source: Onnx, { file }: GraphFolder, { stored }: GraphResult): string =>
  stored.some(({ bits }) => bits !== undefined) ? fileFor(stored, floatOf(source)) : file

/** The files beside the graph, whose config tells how many heads and channels there are now. */
const filesAfter = ({ files, graph }: GraphFolder, cut: Onnx): { readonly files: ModelFiles; readonly notes: readonly string[] } => {
  if (!files['config.json']) return { files, notes: [] }
  const { config, notes } = configAfter(parsed(files['config.json']), graph, cut)
  return { files: { ...files, 'config.json': encodeJson(config) }, notes }
}

/** The same where it tells where the data of the graph stands. */
const withData = (files: ModelFiles, file: string, external: boolean): ModelFiles => {
  if (!files['config.json']) return files
  const { 'transformers.js_config': settings, ...config } = parsed(files['config.json'])
  const { use_external_data_format: _, ...others } = (settings ?? {}) as Readonly<Record<string, unknown>>
  const now = { ...others, ...(external ? { use_external_data_format: { [file]: 1 } } : {}) }
  return { ...files, 'config.json': encodeJson({ ...config, ...(Object.keys(now).length > 0 ? { 'transformers.js_config': now } : {}) }) }
}

/** The parameters of a folder that was written, and what its config has no place for. */
export type GraphFolderStore = ParameterStore & { readonly notes: readonly string[] }

/**
 * Streams the weights of a graph into a folder as the one it was read from: onnx/NAME.onnx and the files beside it, whose config.json gets
 * the heads and channels that are left. The end throws as `onnxSink` does, and UNSUPPORTED where the config has no place for the number of heads,
 * before anything stands at the path; steps throw OUTPUT_EXISTS, DISK, NOT_FOUND.
 */
export const onnxGraphFolderSink = (
  path: string,
  options: OnnxSinkOptions & { readonly around: GraphFolder },
): ParameterSink & { finish(): Promise<GraphFolderStore> } => {
  const { source, around } = options
  return fileSink(path, options, unfinished => {
    const { fs, folder } = unfinished
    const writer = graphWriter(options, unfinished)
    const target = within(folder, 'model')
    let file = around.file
    let after = { files: around.files, notes: [] as readonly string[] }
    return {
      write: writer.write,
      finish: async () => {
        const { written } = await writer.finish(async result => {
          after = filesAfter(around, result.cut)
          file = nameFor(source, around, result)
          await makeFolder(fs, within(target, 'onnx'))
          return { model: within(target, `onnx/${file}`), data: within(target, `onnx/${file}_data`), dataName: `${file}_data` }
        })
        for (const [name, bytes] of Object.entries(withData(after.files, file, written.length > 1)))
          await writeFile(fs, within(target, name), bytes)
        return { moves: [{ from: target, to: path }] }
      },
      close: writer.close,
      reopen: async () => ({ ...withTrees(await openOnnx(within(path, `onnx/${file}`), { fileSystem: fs })).params, notes: after.notes }),
    }
  })
}
