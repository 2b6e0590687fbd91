import { makeFolder, within, writeFile } from '@tersor/formats/internal/files/file-system'
import {
  createSpool,
  graphBuilder,
  modelOf,
  ONNX_FORMS,
  openOnnx,
  refusal,
  withTrees,
  writeModel,
  type OnnxForm,
  type Stored,
  type WriteOptions,
} from '../file.js'
import { fileSink, type SinkOptions } from '@tersor/formats/internal/files/output'
import { CompressionError, type ParameterSink } from '@tersor/tensor'
import type { ModelFiles, RawConfig } from '@tersor/models/raw-config'
import type { GraphNetwork } from './network.js'
import { operators } from './operators.js'
import { notWritten, parameterWriter } from './parameters.js'
import { withBeginning } from './tokenizer-config.js'

export interface OnnxFolderOptions extends SinkOptions, WriteOptions {
  /** How grids of codes are stored; MatMulNBits where absent. */
  readonly form?: OnnxForm
  /** What the graph computes in and plain weights are rounded to; f32 where absent. */
  readonly float?: 'f32' | 'f16'
  /** The file in the folder onnx; by what is stored in it where absent, such as model_q4.onnx. */
  readonly file?: string
}

/** What a folder says besides its weights. */
export interface FolderModel {
  readonly rawConfig: RawConfig
  readonly files?: ModelFiles
}

/** Names that transformers.js looks for, by bits of the codes and floats. */
const FILES: Readonly<Record<string, string>> = {
  f32: 'model.onnx',
  f16: 'model_fp16.onnx',
  '2 f32': 'model_q2.onnx',
  '2 f16': 'model_q2f16.onnx',
  '4 f32': 'model_q4.onnx',
  '4 f16': 'model_q4f16.onnx',
  '8 f32': 'model_quantized.onnx',
  '8 f16': 'model_quantized.onnx',
}

/** The bits that most matrices of codes have: tables and heads may have more. */
const usualBits = (stored: Iterable<Stored>): number => {
  const counts = new Map<number, number>()
  for (const { bits } of stored) if (bits !== undefined) counts.set(bits, (counts.get(bits) ?? 0) + 1)
  return [...counts].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a), [0, 0])[0]
}

/** The name that transformers.js looks for. */
export const fileFor = (stored: Iterable<Stored>, float: string): string => {
  const bits = usualBits(stored)
  return FILES[bits === 0 ? float : `${bits} ${float}`]
}

/** JSON as the files of a folder hold it. */
export const encodeJson = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)

/** Files of the folder besides the graph. */
const sideFiles = (
  { rawConfig, files = {} }: FolderModel,
  { remembers, files: made = {} }: GraphNetwork,
  { file, float, external }: { readonly file: string; readonly float: string; readonly external: boolean },
): ModelFiles => {
  const halves = { fp16: 'float16', q4f16: 'float16', q2f16: 'float16' }
  const settings = {
    ...(remembers && float === 'f16' ? { kv_cache_dtype: halves } : {}),
    ...(external ? { use_external_data_format: { [file]: 1 } } : {}),
  }
  const config = Object.keys(settings).length > 0 ? { ...rawConfig, 'transformers.js_config': settings } : rawConfig
  return { ...made, ...withBeginning(files), 'config.json': encodeJson(config) }
}

const refuseForm = (form: OnnxForm): void => {
  if (ONNX_FORMS.includes(form)) return
  throw new CompressionError('BAD_OPTION', `There is no form "${String(form)}".`, `Forms are ${ONNX_FORMS.join(', ')}.`, { form })
}

/**
 * Streams the parameters of a network into a folder that transformers.js loads: config.json, tokenizer files and the graph in onnx/.
 * Throws BAD_OPTION; the end throws UNSUPPORTED with all tensors that have no place and NOT_FOUND where some were not written;
 * steps throw OUTPUT_EXISTS and DISK.
 */
export const onnxFolderSink = (path: string, model: FolderModel, network: GraphNetwork, options: OnnxFolderOptions): ParameterSink => {
  const { form = 'MatMulNBits', float = 'f32' } = options
  refuseForm(form)
  return fileSink(path, options, ({ fs, folder: unfinished, take, provenance }) => {
    const spool = createSpool({ fs, folder: unfinished })
    const parameters = parameterWriter(network, spool.write, { form, float })
    const graphOf = () => {
      const graph = graphBuilder('')
      const ends = network.build(operators(graph, float), parameters.valuesIn(graph))
      const metadata = provenance.length > 0 ? { 'tersor.provenance': JSON.stringify(provenance) } : {}
      return { graph, model: modelOf({ name: network.architecture, graph, metadata, ...ends }) }
    }
    let file = ''
    return {
      write: async (name, parameter) => {
        take(name)
        await parameters.write(name, parameter)
      },
      finish: async () => {
        if (parameters.refused.length > 0) throw refusal(parameters.refused, 'A Hugging Face folder holds every tree.')
        const missing = parameters.missing()
        if (missing.length > 0) throw notWritten(missing)
        file = options.file ?? fileFor(parameters.stored.values(), float)
        const folder = within(unfinished, 'model')
        await makeFolder(fs, within(folder, 'onnx'))
        const { graph, model: proto } = graphOf()
        const tensors = [...graph.constants.map(constant => ({ proto: constant, length: 0 })), ...spool.tensors]
        const target = within(folder, `onnx/${file}`)
        const written = await writeModel(proto, tensors, { fs, model: target, data: `${target}_data`, dataName: `${file}_data` }, options)
        const files = sideFiles(model, network, { file, float, external: written.length > 1 })
        for (const [name, bytes] of Object.entries(files)) await writeFile(fs, within(folder, name), bytes)
        return { moves: [{ from: folder, to: path }] }
      },
      close: () => spool.close(),
      reopen: async () => withTrees(await openOnnx(within(path, `onnx/${file}`), { fileSystem: fs })).params,
    }
  })
}
