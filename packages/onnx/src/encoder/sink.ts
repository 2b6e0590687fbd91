import type { ParameterSink } from '@tersor/tensor'
import { parseBertConfig } from '@tersor/models/internal/networks/bert-parameters'
import { parseLlamaConfig } from '@tersor/models/llama-config'
import { decoderNetwork } from '../decoder/sink.js'
import { onnxFolderSink, type OnnxFolderOptions } from '../folder/sink.js'
import type { TextEncoder } from '@tersor/models/text-encoder'
import { bertNetwork } from './bert-graph.js'

export type OnnxEncoderOptions = OnnxFolderOptions

type Encoder = Pick<TextEncoder, 'architecture' | 'rawConfig' | 'params' | 'files'>

/** What is no BERT is a network of the Llama family without its head. */
const networkOf = ({ architecture, rawConfig, params }: Encoder) =>
  architecture === 'bert'
    ? bertNetwork(parseBertConfig(rawConfig, params.names()), params.names())
    : decoderNetwork(parseLlamaConfig(rawConfig), { head: false })

/**
 * Streams a text encoder into a folder that transformers.js loads: config.json, tokenizer files and onnx/model.onnx, or model_fp16, model_q4,
 * model_q4f16 or model_quantized after what is stored. A BERT takes input_ids, attention_mask and token_type_ids and gives logits, or
 * without a head last_hidden_state, and pooler_output where the checkpoint has a pooler; a base model of the Llama family takes input_ids,
 * attention_mask, position_ids and past_key_values and gives last_hidden_state and present. `params` says which parameters there are.
 * Throws UNSUPPORTED and BAD_FILE for a config as `bertModel` and `llamaEncoder` do, BAD_OPTION;
 * the end throws UNSUPPORTED with all tensors that have no place and NOT_FOUND where some were not written; steps throw OUTPUT_EXISTS and DISK.
 */
export const onnxEncoderSink = (path: string, model: Encoder, options: OnnxEncoderOptions = {}): ParameterSink =>
  onnxFolderSink(path, model, networkOf(model), options)
