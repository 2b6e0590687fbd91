import type { Tokenizer } from './tokenizer.js'

const UNFINISHED = '\uFFFD'

/** Turns ids into text as they come. */
export interface Detokenizer {
  /** The text that this id completes; empty while a character is unfinished. */
  push(id: number): string
  /** What is left at the end, unfinished or not. */
  end(): string
}

/**
 * Decodes a stream of ids that continues `context`.
 * Each piece is what decoding grows by, so that spaces between words and characters of several bytes come out as in the whole.
 */
export const detokenizer = (tokenizer: Tokenizer, context: readonly number[] = []): Detokenizer => {
  let ids = [...context]
  let read = ids.length
  const grown = (): string => tokenizer.decode(ids).slice(tokenizer.decode(ids.slice(0, read)).length)
  const take = (piece: string): string => {
    ids = ids.slice(read)
    read = ids.length
    return piece
  }
  return {
    push: id => {
      ids.push(id)
      const piece = grown()
      return piece === '' || piece.endsWith(UNFINISHED) ? '' : take(piece)
    },
    end: () => take(grown()),
  }
}
