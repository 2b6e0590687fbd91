import { createRng } from '@tersor/core'
import { fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'
import { bertModel, type BertConfig } from './bert.js'
import { bertParameters, parseBertConfig } from './bert-parameters.js'
import type { RawConfig } from './raw-config.js'
import type { TextEncoder } from './text-encoder.js'

const TINY: RawConfig = {
  model_type: 'bert',
  hidden_size: 32,
  num_attention_heads: 4,
  intermediate_size: 64,
  num_hidden_layers: 2,
  vocab_size: 40,
  max_position_embeddings: 16,
  type_vocab_size: 2,
}

/** A BERT with random weights, of any head; `more` gives the shapes of parameters besides those that run. */
export const tinyBert = (
  architecture: string,
  { config = {}, more = {} }: { config?: RawConfig; more?: Readonly<Record<string, readonly number[]>> } = {},
): TextEncoder<BertConfig> => {
  const raw = { ...TINY, architectures: [architecture], ...config }
  const rng = createRng(11)
  const shapes = [
    ...bertParameters(parseBertConfig(raw, Object.keys(more))),
    ...Object.entries(more).map(([name, shape]) => ({ name, shape })),
  ]
  const random = (shape: readonly number[]): Parameter =>
    fromFloat32(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.3 * rng.normal()),
      'f32',
      shape,
    )
  return bertModel(raw, memoryStore(Object.fromEntries(shapes.map(({ name, shape }) => [name, random(shape)]))))
}
