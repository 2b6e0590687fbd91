import type { Tokenizer } from './tokenizer.js'

const END = 256

/** The bytes, and one token that stands before a text and ends it. */
export const BYTE_VOCABULARY = 257

/** The tokenizer of the tiny networks: a token is a byte of UTF-8, and 256 stands before each text. */
export const byteTokenizer = (): Tokenizer =>
  Object.freeze({
    encode: (text: string, { specials = true } = {}) => [...(specials ? [END] : []), ...new TextEncoder().encode(text)],
    decode: (ids: readonly number[], { skipSpecials = true } = {}) => {
      const texts = ids.reduce<number[][]>((runs, id) => (id === END ? [...runs, []] : (runs[runs.length - 1].push(id), runs)), [[]])
      return texts.map(bytes => new TextDecoder().decode(Uint8Array.from(bytes))).join(skipSpecials ? '' : '<|endoftext|>')
    },
    bos: END,
    eos: END,
    vocabularySize: BYTE_VOCABULARY,
  })
