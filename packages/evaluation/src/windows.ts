import { CompressionError } from '@tersor/tensor'

/** Token ids that a model sees at once. */
export type Window = readonly number[]

/** What turns a text into ids, with the special tokens that it puts around a text by itself. */
export interface Encoder<T = string> {
  encode(text: T): readonly number[]
}

/**
 * Encodes each document alone and cuts it into windows of `length` tokens; the last of a document may be shorter.
 * Throws BAD_DATA where no window has two tokens: then there is nothing to predict.
 */
export const windowsOf = <T = string>(documents: readonly T[], encoder: Encoder<T>, length: number): readonly Window[] => {
  const windows = documents.flatMap(document => {
    const ids = encoder.encode(document)
    return Array.from({ length: Math.ceil(ids.length / length) }, (_, i) => ids.slice(i * length, (i + 1) * length))
  })
  if (windows.some(window => window.length > 1)) return windows
  throw new CompressionError('BAD_DATA', 'The text has no two tokens in a row.', 'Pass a longer text.', { documents: documents.length })
}
