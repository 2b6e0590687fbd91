import type { Encoder } from '@tersor/evaluation'
import type { Tokenizer } from '@tersor/models'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import type { Text } from './read-texts.js'

/** What takes text: its tokenizer, how many tokens fit, and the files beside it. */
export interface TextModel {
  readonly tokenizer?: Tokenizer | undefined
  readonly contextLength: number
  readonly files?: Readonly<Record<string, Uint8Array>>
}

/** What of a model takes text; undefined where nothing does. */
export const textModelOf = (model: OpenedModel): TextModel | undefined => {
  if (model.family === 'image') return undefined
  if (model.family !== 'graph') return model
  return model.text
}

/** Whether a model gives logits of a text's tokens. */
export const hasText = (model: OpenedModel): boolean =>
  model.family === 'language' || (model.family === 'graph' && model.text !== undefined)

/** Encodes texts; what a chat template made has its special tokens already. Throws UNSUPPORTED without a tokenizer. */
export const encoderOf = ({ tokenizer }: TextModel): Encoder<Text> => {
  if (tokenizer) return { encode: ({ text, specials }) => tokenizer.encode(text, { specials }) }
  throw new CompressionError(
    'UNSUPPORTED',
    'The model has no tokenizer.json, so text cannot be read for it.',
    'Put its tokenizer.json into the folder.',
  )
}

/** Tokens of a window: what was asked for, else as many as fit; throws BAD_OPTION where the context has no room for them. */
export const windowLength = ({ contextLength }: TextModel, length: number | undefined, longest = contextLength): number => {
  if (length === undefined) return Math.min(contextLength, longest)
  if (length >= 2 && length <= contextLength) return length
  const remedy = 'Pass --length with a number in between, or leave it out.'
  throw new CompressionError('BAD_OPTION', `--length ${length} is not within 2 … ${contextLength}, the model's context.`, remedy, {
    length,
  })
}

/** Throws BAD_OPTION for --length where a model takes no text. */
export const refuseLength = (length: number | undefined): void => {
  if (length === undefined) return
  throw new CompressionError('BAD_OPTION', '--length cuts texts, and this model takes none.', 'Leave --length out.', { length })
}
