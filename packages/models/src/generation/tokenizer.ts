import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { parseJson } from '@tersor/formats/internal/files/json-text'
import { CompressionError } from '@tersor/tensor'
import { exactStep } from './pre-tokenizer-steps.js'

/** Text to ids and back. */
export interface Tokenizer {
  /** Ids of a text; with `specials` (the default) those that the tokenizer puts around a text by itself. */
  encode(text: string, options?: { readonly specials?: boolean }): readonly number[]
  /** The text of ids; without special tokens unless `skipSpecials` is false. */
  decode(ids: readonly number[], options?: { readonly skipSpecials?: boolean }): string
  /** The token that begins a text. */
  readonly bos?: number
  /** The token that ends a text. */
  readonly eos?: number
  readonly vocabularySize: number
}

/** The content of a JSON file: parsed, as text, or as bytes. */
export type JsonFile = string | Uint8Array | Readonly<Record<string, unknown>>

export interface TokenizerFiles {
  readonly 'tokenizer.json'?: JsonFile
  readonly 'tokenizer_config.json'?: JsonFile
}

const badTokenizer = (what: string, cause?: unknown): CompressionError =>
  new CompressionError('BAD_FILE', what, "Take the tokenizer.json of the model's own folder.", {}, cause)

/** Tokenizers have ten levels; more than this is damage, and walking it would overflow the stack. */
const MAX_DEPTH = 64

const parse = (file: JsonFile, name: string): Readonly<Record<string, unknown>> => {
  try {
    const text = file instanceof Uint8Array ? new TextDecoder().decode(file) : file
    const value = typeof text === 'string' ? parseJson(text, name, MAX_DEPTH) : text
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw badTokenizer(`${name} is no JSON.`, cause)
  }
  throw badTokenizer(`${name} is not an object.`)
}

/** Parts that a tokenizer may lack; the library wants them named. */
const ABSENT = { added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null }

const create = (json: object, config: object): HuggingFaceTokenizer => {
  try {
    const described: { readonly pre_tokenizer: unknown } = { ...ABSENT, ...json }
    return new HuggingFaceTokenizer({ ...described, pre_tokenizer: exactStep(described.pre_tokenizer) }, config)
  } catch (cause) {
    throw badTokenizer(`tokenizer.json describes no tokenizer: ${(cause as Error).message}.`, cause)
  }
}

/** The id of a token that a config names by its text or by an object around it. */
const idOf = (tokenizer: HuggingFaceTokenizer, named: unknown): number | undefined => {
  const content = typeof named === 'object' && named !== null ? (named as { content?: unknown }).content : named
  return typeof content === 'string' ? tokenizer.token_to_id(content) : undefined
}

/**
 * Opens a tokenizer from tokenizer.json and, where there is one, tokenizer_config.json.
 * Throws BAD_FILE where the first is missing or either cannot be read.
 */
export const openTokenizer = (files: TokenizerFiles): Tokenizer => {
  const json = files['tokenizer.json']
  if (json === undefined) throw badTokenizer('There is no tokenizer.json.')
  // Where the config is silent, text comes back as it went in: no spaces are tidied away.
  const config = { clean_up_tokenization_spaces: false, ...parse(files['tokenizer_config.json'] ?? {}, 'tokenizer_config.json') } as Record<
    string,
    unknown
  >
  const tokenizer = create(parse(json, 'tokenizer.json'), config)
  const bos = idOf(tokenizer, config.bos_token)
  const eos = idOf(tokenizer, config.eos_token)
  return Object.freeze({
    encode: (text: string, { specials = true } = {}) => tokenizer.encode(text, { add_special_tokens: specials }).ids,
    decode: (ids: readonly number[], { skipSpecials = true } = {}) =>
      ids.length === 0 ? '' : tokenizer.decode([...ids], { skip_special_tokens: skipSpecials }),
    ...(bos === undefined ? {} : { bos }),
    ...(eos === undefined ? {} : { eos }),
    vocabularySize: tokenizer.get_vocab().size,
  })
}
