import type { ParameterSink } from '@tersor/tensor'
import type { LanguageModel } from '@tersor/models/language-model'
import { parseLlamaConfig, type LlamaConfig } from '@tersor/models/llama-config'
import { EMBEDDING, eachBaseParameter, eachParameter } from '@tersor/models/llama-parameters'
import { encodeJson, onnxFolderSink, type OnnxFolderOptions } from '../folder/sink.js'
import type { GraphNetwork } from '../folder/network.js'
import type { ModelFiles, RawConfig } from '@tersor/models/raw-config'
import { decoderGraph } from './graph.js'

export type OnnxDecoderOptions = OnnxFolderOptions

/** What generation needs, as transformers keeps it. */
const generationConfig = (raw: RawConfig): RawConfig =>
  Object.fromEntries(['bos_token_id', 'eos_token_id', 'pad_token_id'].flatMap(key => (raw[key] == null ? [] : [[key, raw[key]]])))

/** A network of the Llama family as a graph, with its head or without. */
export const decoderNetwork = (config: LlamaConfig, { head, files = {} }: { head: boolean; files?: ModelFiles }): GraphNetwork => ({
  architecture: config.architecture,
  parameters: [...(head ? eachParameter(config) : eachBaseParameter(config))].map(({ name, shape }) => ({
    ...{ name, shape },
    ...(name === EMBEDDING.weight ? { table: true } : {}),
  })),
  remembers: true,
  files,
  build: (ops, values) => decoderGraph(config, ops, values, head),
})

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
  const files = { 'generation_config.json': encodeJson(generationConfig(model.rawConfig)) }
  return onnxFolderSink(path, model, decoderNetwork(parseLlamaConfig(model.rawConfig), { head: true, files }), options)
}
