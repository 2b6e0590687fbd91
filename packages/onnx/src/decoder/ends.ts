import type { LlamaConfig } from '@tersor/models/llama-config'
import type { ValueInfo } from '../file.js'
import { idsValue, type GraphEnds } from '../folder/network.js'

export const IDS = 'input_ids'
export const ATTENDED = 'attention_mask'
export const POSITIONS = 'position_ids'

export interface DecoderForm {
  readonly head: boolean
  /** Whether attention is written in plain operators of ONNX, the default, or as GroupQueryAttention of ONNX Runtime. */
  readonly attention?: 'plain' | 'fused'
}

/** Inputs and outputs as transformers.js asks for them. */
export const endsOf = ({ widths, headSize, ...config }: LlamaConfig, float: 'f32' | 'f16', { head, attention }: DecoderForm): GraphEnds => {
  const cached = (start: string, length: string): ValueInfo[] =>
    widths.flatMap(({ keyValueHeads }, layer) =>
      (keyValueHeads > 0 ? ['key', 'value'] : []).map(part => ({
        ...{ name: `${start}.${layer}.${part}`, dtype: float },
        shape: ['batch_size', keyValueHeads, length, headSize],
      })),
    )
  const given = (name: string, width: number): ValueInfo => ({ name, dtype: 'f32', shape: ['batch_size', 'sequence_length', width] })
  return {
    inputs: [
      ...[idsValue(IDS), idsValue(ATTENDED, 'total_sequence_length')],
      ...(attention === 'plain' ? [idsValue(POSITIONS)] : []),
      ...cached('past_key_values', 'past_sequence_length'),
    ],
    outputs: [
      head ? given('logits', config.vocabularySize) : given('last_hidden_state', config.hidden),
      ...cached('present', 'total_sequence_length'),
    ],
  }
}
