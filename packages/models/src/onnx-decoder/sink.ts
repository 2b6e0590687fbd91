import type { Provenance } from '@tersor/core'
import { makeFolder, within, writeFile } from '@tersor/formats/file-system'
import {
  createSpool,
  graphBuilder,
  isMisfit,
  modelOf,
  openOnnx,
  OPSET,
  ONNX_FORMS,
  refusal,
  storeMatrix,
  withTrees,
  writeModel,
  type OnnxForm,
  type Refused,
  type Stored,
  type WriteOptions,
} from '@tersor/formats/onnx'
import { createOutput, type Output, type OutputOptions } from '@tersor/formats/output'
import { CompressionError, type Parameter, type ParameterSink } from '@tersor/tensor'
import type { LanguageModel } from '../language-model.js'
import { parseLlamaConfig, type LlamaConfig } from '../llama-config.js'
import { EMBEDDING, llamaParameters } from '../llama-parameters.js'
import type { RawConfig } from '../raw-config.js'
import { decoderGraph, decoderValues } from './graph.js'
import { operators } from './operators.js'
import { withBeginning } from './tokenizer-config.js'

export interface OnnxDecoderOptions extends OutputOptions, WriteOptions {
  /** How grids of codes are stored; MatMulNBits where absent. */
  readonly form?: OnnxForm
  /** What the graph computes in and plain weights are rounded to; f32 where absent. */
  readonly float?: 'f32' | 'f16'
  /** The file in the folder onnx; by what is stored in it where absent, such as model_q4.onnx. */
  readonly file?: string
  /** The steps that made the parameters; asked for at the end where it is a function. */
  readonly provenance?: readonly Provenance[] | (() => readonly Provenance[])
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

const fileFor = (stored: Iterable<Stored>, float: string): string => {
  const bits = Math.max(0, ...[...stored].map(each => each.bits ?? 0))
  return FILES[bits === 0 ? float : `${bits} ${float}`]
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)

/** What generation needs, as transformers keeps it. */
const generationConfig = (raw: RawConfig): RawConfig =>
  Object.fromEntries(['bos_token_id', 'eos_token_id', 'pad_token_id'].flatMap(key => (raw[key] == null ? [] : [[key, raw[key]]])))

/** Files of the folder besides the graph. */
const sideFiles = (
  { rawConfig, files = {} }: Pick<LanguageModel, 'rawConfig' | 'files'>,
  { file, float, external }: { readonly file: string; readonly float: string; readonly external: boolean },
): Readonly<Record<string, Uint8Array>> => {
  const halves = { fp16: 'float16', q4f16: 'float16', q2f16: 'float16' }
  const settings = {
    ...(float === 'f16' ? { kv_cache_dtype: halves } : {}),
    ...(external ? { use_external_data_format: { [file]: 1 } } : {}),
  }
  const config = Object.keys(settings).length > 0 ? { ...rawConfig, 'transformers.js_config': settings } : rawConfig
  return { 'generation_config.json': encode(generationConfig(rawConfig)), ...withBeginning(files), 'config.json': encode(config) }
}

/** Writes everything into a folder that is to take the place of the target. */
const writeFolder = async (output: Output, files: Readonly<Record<string, Uint8Array>>): Promise<string> => {
  const folder = within(output.folder, 'model')
  await makeFolder(output.fs, folder)
  for (const [name, bytes] of Object.entries(files)) await writeFile(output.fs, within(folder, name), bytes)
  return folder
}

/** Takes the parameters of a network and remembers how the graph uses each. */
const parameterWriter = (
  config: LlamaConfig,
  write: (name: string, tensor: never) => Promise<string>,
  options: { form: OnnxForm; float: 'f32' | 'f16' },
) => {
  const known = new Map(llamaParameters(config).map(({ name, shape }) => [name, shape]))
  const matrices = new Map<string, Stored>()
  const vectors = new Map<string, Stored>()
  const refused: Refused[] = []
  const { form, float } = options
  return {
    matrices,
    vectors,
    refused,
    missing: () => [...known.keys()].filter(name => !matrices.has(name) && !vectors.has(name)),
    write: async (name: string, parameter: Parameter): Promise<void> => {
      const shape = known.get(name)
      if (!shape) return // rotary tables and heads that the config says are the embedding
      const isTable = name === EMBEDDING.weight
      const place = {
        name,
        shape: isTable || shape.length === 1 ? shape : [shape[1], shape[0]],
        outAxis: isTable || shape.length === 1 ? 0 : 1,
      }
      const target = { form: isTable ? ('QDQ' as const) : form, float, opset: OPSET, convert: float, write: write as never }
      const stored = await storeMatrix(parameter, place, target)
      if (isMisfit(stored)) return void refused.push({ name, ...stored })
      if ((isTable || shape.length === 1) && !stored.value)
        return void refused.push({ name, reason: 'is a table that must stand as it is', step: 'Leave it out with only.' })
      ;(shape.length === 1 ? vectors : matrices).set(name, stored)
    },
  }
}

/**
 * Streams a network of the Llama family into a folder that transformers.js loads: config.json, generation_config.json, tokenizer files and
 * onnx/model.onnx, or model_fp16, model_q4, model_q4f16 or model_quantized after what is stored. The graph has inputs input_ids,
 * attention_mask, position_ids and past_key_values, and outputs logits and present.
 * Throws UNSUPPORTED and BAD_FILE for a config as `parseLlamaConfig` does, BAD_OPTION;
 * the end throws UNSUPPORTED with all tensors that have no place and NOT_FOUND where some were not written; steps throw OUTPUT_EXISTS and DISK.
 */
export const onnxDecoderSink = (
  path: string,
  model: Pick<LanguageModel, 'rawConfig' | 'files'>,
  options: OnnxDecoderOptions = {},
): ParameterSink => {
  const { form = 'MatMulNBits', float = 'f32' } = options
  if (!ONNX_FORMS.includes(form))
    throw new CompressionError('BAD_OPTION', `There is no form "${String(form)}".`, `Forms are ${ONNX_FORMS.join(', ')}.`, { form })
  const config = parseLlamaConfig(model.rawConfig)
  const output = createOutput(path, options)
  const spool = createSpool(output)
  const parameters = parameterWriter(config, spool.write, { form, float })
  const graphOf = () => {
    const graph = graphBuilder('')
    const vector = (name: string): string => parameters.vectors.get(name)!.value!(graph)
    decoderGraph(config, operators(graph, float), { vector, matrix: name => parameters.matrices.get(name)! })
    const provenance = typeof options.provenance === 'function' ? options.provenance() : (options.provenance ?? [])
    const metadata = provenance.length > 0 ? { 'tersor.provenance': JSON.stringify(provenance) } : {}
    return { graph, model: modelOf({ name: config.architecture, graph, metadata, ...decoderValues(config, float) }) }
  }
  let file = ''
  const finish = async (): Promise<void> => {
    if (parameters.refused.length > 0) throw refusal(parameters.refused, 'A Hugging Face folder holds every tree.')
    const missing = parameters.missing()
    if (missing.length > 0)
      throw new CompressionError(
        'NOT_FOUND',
        `${missing.length} parameters were not written, among them ${missing[0]}.`,
        'Write all of them.',
      )
    file = options.file ?? fileFor(parameters.matrices.values(), float)
    const folder = await writeFolder(output, {})
    await makeFolder(output.fs, within(folder, 'onnx'))
    const { graph, model: proto } = graphOf()
    const tensors = [...graph.constants.map(constant => ({ proto: constant, length: 0 })), ...spool.tensors]
    const target = within(folder, `onnx/${file}`)
    const paths = { fs: output.fs, model: target, data: `${target}_data`, dataName: `${file}_data` }
    const written = await writeModel(proto, tensors, paths, options)
    await writeFolder(output, sideFiles(model, { file, float, external: written.length > 1 }))
    await spool.close()
    await output.publish([{ from: folder, to: path }])
  }
  const step = <T>(work: () => Promise<T>): Promise<T> =>
    output.step(() => work().catch((error: unknown) => spool.close().then(() => Promise.reject(error))))
  return Object.freeze({
    write: (name: string, parameter: Parameter) => step(() => parameters.write(name, parameter)),
    finish: async () => {
      await step(finish)
      return withTrees(await openOnnx(within(path, `onnx/${file}`), { fileSystem: output.fs })).params
    },
    abort: async () => {
      await output.abort()
      await spool.close()
    },
  })
}
