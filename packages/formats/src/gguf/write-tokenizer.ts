import { parseObject } from '../huggingface/open.js'
import type { Json } from '../files/json-text.js'
import { templatesToEntries } from './chat-templates.js'
import type { Metadata } from './header.js'
import { addedPieces, pieceSource } from './piece-source.js'
import type { GgufSinkOptions } from './sink-options.js'
import { mergingSource, tokenizerToMetadata, type WrittenTokenizer } from './tokenizer.js'
import type { TokenizerSource } from './tokenizer-parts.js'

type Files = Readonly<Record<string, Uint8Array>>

const jsonIn = (files: Files, name: string): Json => (files[name] ? parseObject(files[name], name) : {})

/** Files that hold a tokenizer in a way that is not read. */
const OTHER_TOKENIZERS: readonly string[] = ['vocab.json', 'merges.txt', 'vocab.txt', 'spiece.model']

const sourceOf = (files: Files, tokenizerConfig: Json): TokenizerSource | undefined => {
  if (files['tokenizer.json']) return mergingSource(parseObject(files['tokenizer.json'], 'tokenizer.json'))
  const model = files['tokenizer.model']
  return model && pieceSource(model, addedPieces(tokenizerConfig, jsonIn(files, 'added_tokens.json')))
}

/** Whether a GGUF file brought a tokenizer along. */
const hasTokenizer = (metadata: Metadata | undefined): metadata is Metadata => metadata?.has('tokenizer.ggml.tokens') === true

const withoutTokenizer = (files: Files): WrittenTokenizer => {
  const others = OTHER_TOKENIZERS.filter(name => files[name])
  const why =
    others.length > 0 ? `${others.join(' and ')} are not read; tokenizer.json and tokenizer.model are` : 'there is no tokenizer.json'
  return {
    metadata: new Map([['tokenizer.ggml.model', { type: 'string', value: 'no_vocab' }]]),
    notes: [`the file has no tokenizer: ${why}`],
  }
}

/**
 * Gives the tokenizer's keys for an embedding of so many rows: those of the GGUF file that the model came from as they are, else what the
 * side files say. What is wrong with these is found at once. Throws UNSUPPORTED and BAD_FILE.
 */
export const tokenizerWriter = ({ config, files = {}, carried }: GgufSinkOptions): ((rows: number | undefined) => WrittenTokenizer) => {
  if (hasTokenizer(carried)) {
    const metadata = new Map([...carried].filter(([key]) => key.startsWith('tokenizer.')))
    return () => ({ metadata, notes: [] })
  }
  const tokenizerConfig = jsonIn(files, 'tokenizer_config.json')
  const source = sourceOf(files, tokenizerConfig)
  if (!source) return () => withoutTokenizer(files)
  const special = { tokenizerConfig, config, generationConfig: jsonIn(files, 'generation_config.json') }
  const templates = templatesToEntries(files, tokenizerConfig)
  const size = typeof config.vocab_size === 'number' ? config.vocab_size : source.tokens.length
  return rows => {
    const written = tokenizerToMetadata(source, special, rows ?? size)
    return { metadata: new Map([...written.metadata, ...templates]), notes: written.notes }
  }
}
