import type { Tokenizer } from './tokenizer.js'

const UNFINISHED = '\uFFFD'

/**
 * Decodes a stream of ids that continues `context`: gives the text that each id completes, empty while a character is unfinished.
 * Each piece is what decoding grows by, so that spaces between words and characters of several bytes come out as in the whole.
 */
export const detokenizer = (tokenizer: Tokenizer, context: readonly number[] = []): ((id: number) => string) => {
  let ids = [...context]
  let read = ids.length
  return id => {
    ids.push(id)
    const piece = tokenizer.decode(ids).slice(tokenizer.decode(ids.slice(0, read)).length)
    if (piece === '' || piece.endsWith(UNFINISHED)) return ''
    ids = ids.slice(read)
    read = ids.length
    return piece
  }
}
