import { CompressionError, type ParameterSink } from '@tersor/tensor'
import { followsLength } from '@tersor/models/rope'
import type { LanguageModel } from '@tersor/models/language-model'
import { parseLlamaConfig, sortsHeads, type LlamaConfig } from '@tersor/models/llama-config'
import { EMBEDDING, eachBaseParameter, eachParameter } from '@tersor/models/llama-parameters'
import { encodeJson, onnxFolderSink, type OnnxFolderOptions } from '../folder/sink.js'
import type { GraphNetwork } from '../folder/network.js'
import type { ModelFiles, RawConfig } from '@tersor/models/raw-config'
import type { DecoderForm } from './ends.js'
import { decoderGraph } from './graph.js'

export interface OnnxDecoderOptions extends OnnxFolderOptions {
  /**
   * Whether attention is written in plain operators of ONNX, the default, or as ONNX Runtime's own GroupQueryAttention, which can keep keys and
   * values in 8 and 4 bits; sizes of heads must be multiples of 16 then.
   */
  readonly attention?: DecoderForm['attention']
}

/** What generation needs, as transformers keeps it. */
const generationConfig = (raw: RawConfig): RawConfig =>
  Object.fromEntries(['bos_token_id', 'eos_token_id', 'pad_token_id'].flatMap(key => (raw[key] == null ? [] : [[key, raw[key]]])))

/** Graphs turn the pairs of all heads alike. */
const refuseSortedHeads = (config: LlamaConfig): void => {
  if (!sortsHeads(config)) return
  throw new CompressionError(
    'UNSUPPORTED',
    'Heads of this network have rotary pairs in an order of their own, and ONNX decoders have no place for that.',
    "Sort it with units=[neurons] only, or save it as a Hugging Face folder of Tersor's own.",
    { format: 'ONNX', field: 'head_dim' },
  )
}

/** A network of the Llama family as a graph, with its head or without. Throws UNSUPPORTED for one whose heads are sorted. */
export const decoderNetwork = (
  config: LlamaConfig,
  { head, attention, files = {} }: DecoderForm & { files?: ModelFiles },
): GraphNetwork => {
  refuseSortedHeads(config)
  return {
    architecture: config.architecture,
    parameters: [...(head ? eachParameter(config) : eachBaseParameter(config))].map(({ name, shape }) => ({
      ...{ name, shape },
      ...(name === EMBEDDING.weight ? { table: true } : {}),
    })),
    remembers: true,
    files,
    build: (ops, values) => decoderGraph(config, ops, values, { head, ...(attention ? { attention } : {}) }),
  }
}

/** ONNX Runtime's attention takes heads in steps of 16, and frequencies that stay. */
const checkFused = ({ headSize, rope }: LlamaConfig): void => {
  if (headSize % 16 !== 0)
    throw new CompressionError(
      'UNSUPPORTED',
      `attention is "fused", and heads have ${headSize} numbers.`,
      'ONNX Runtime wants a multiple of 16: leave it out.',
      { headSize },
    )
  if (followsLength(rope))
    throw new CompressionError('UNSUPPORTED', 'attention is "fused", and the rotation follows the length of the text.', 'Leave it out.')
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
  const files = { 'generation_config.json': encodeJson(generationConfig(model.rawConfig)) }
  const config = parseLlamaConfig(model.rawConfig)
  const { attention = 'plain' } = options
  if (attention === 'fused') checkFused(config)
  return onnxFolderSink(path, model, decoderNetwork(config, { head: true, attention, files }), options)
}
