import { badField, DEEPEST, extent, positive, record } from './config-fields.js'
import type { EncoderConfig } from './encoder-block.js'
import { encoderWidths, type EncoderFields } from './encoder-couplings.js'
import { ACTIVATIONS } from './layers.js'
import type { RawConfig } from './raw-config.js'

/** Class names in their order; as many as `num_labels`, or two, where the config names none. */
const classesOf = (raw: RawConfig): readonly string[] => {
  const named = record(raw, 'id2label')
  const count = named ? Object.keys(named).length : extent(raw, 'num_labels', 2)
  return Array.from({ length: count }, (_, index) => (typeof named?.[index] === 'string' ? (named[index] as string) : `LABEL_${index}`))
}

/** Where BERT and ViT say how wide they are. */
export const ENCODER_FIELDS: EncoderFields = Object.freeze({
  ...{ hidden: 'hidden_size', heads: 'num_attention_heads', feedForward: 'intermediate_size', layers: 'num_hidden_layers' },
})

/** Reads what BERT and ViT configs share; throws BAD_FILE for missing or absurd fields. */
export const parseEncoderConfig = (raw: RawConfig): EncoderConfig & { readonly classes: readonly string[] } => {
  const hidden = extent(raw, 'hidden_size')
  const layers = extent(raw, 'num_hidden_layers', undefined, DEEPEST)
  const activation = raw.hidden_act ?? 'gelu'
  const known = Object.keys(ACTIVATIONS)
  if (typeof activation !== 'string' || !known.includes(activation)) throw badField('hidden_act', activation, `one of ${known.join(', ')}`)
  return {
    hidden,
    layers,
    widths: encoderWidths(raw, ENCODER_FIELDS, layers),
    epsilon: positive(raw, 'layer_norm_eps', 1e-12),
    activation,
    classes: classesOf(raw),
  }
}
