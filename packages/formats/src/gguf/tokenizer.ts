import type { Json } from '../huggingface/open.js'
import { isRecord } from '../json-text.js'
import { byteLevel, byteLevelFields } from './byte-level.js'
import type { GgufValue, Metadata } from './header.js'
import { isSentencePiece, sentencePiece, sentencePieceFields } from './sentence-piece.js'
import { list, listOf, mergeModelOf, textOf, TOKEN } from './tokenizer-parts.js'

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special?: boolean
}

export interface TokenizerFiles {
  readonly tokenizer: Json
  /** tokenizer_config.json. */
  readonly tokenizerConfig: Json
  readonly config: Json
}

const isAddedToken = (value: unknown): value is AddedToken =>
  isRecord(value) && Number.isSafeInteger(value.id) && (value.id as number) >= 0 && typeof value.content === 'string'

/** Whether the post-processor puts the token before every text. */
const addsBos = (tokenizer: Json, bos: string | undefined): boolean => {
  const { post_processor: processor } = tokenizer
  const processors = isRecord(processor) ? [processor, ...((processor.processors as Json[] | undefined) ?? [])] : []
  return processors.some(({ single }) => {
    const first: unknown = Array.isArray(single) ? single[0] : undefined
    const token = isRecord(first) ? first.SpecialToken : undefined
    return bos !== undefined && isRecord(token) && token.id === bos
  })
}

/** What a token's entry in tokenizer_config.json says: text, or an object with content. */
const contentOf = (token: unknown): unknown => (isRecord(token) ? token.content : token)

const idOf = (value: unknown): number | undefined => [value].flat().find((id): id is number => typeof id === 'number')

/** Keys of tokens by their part: GGUF's name, the hub's name. */
const NAMED = [
  ['bos', 'bos'],
  ['eos', 'eos'],
  ['unknown', 'unk'],
  ['padding', 'pad'],
] as const

/** The keys of a merging tokenizer, as llama.cpp reads them. Throws UNSUPPORTED for other kinds and BAD_FILE. */
export const tokenizerToMetadata = ({ tokenizer, tokenizerConfig, config }: TokenizerFiles): Metadata => {
  const model = mergeModelOf(tokenizer)
  const kind = (isSentencePiece(model) ? sentencePiece : byteLevel)(tokenizer, model)
  const added = [tokenizer.added_tokens ?? []].flat().filter(isAddedToken)
  const largest = [...Object.values(model.vocab), ...added.map(({ id }) => id)].reduce((most, id) => Math.max(most, id), -1)
  const size = Math.max(idOf(config.vocab_size) ?? 0, largest + 1)
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`)
  const types = Array.from<number>({ length: size }).fill(TOKEN.unused)
  for (const [text, id] of Object.entries(model.vocab)) [tokens[id], types[id]] = [kind.spell(text), kind.typeOf(text)]
  for (const { id, content, special } of added) {
    const isUnknown = types[id] === TOKEN.unknown
    ;[tokens[id], types[id]] = [content, isUnknown ? TOKEN.unknown : special ? TOKEN.control : TOKEN.userDefined]
  }
  const special = (name: string): number | undefined =>
    idOf(config[`${name}_token_id`]) ?? added.find(({ content }) => content === contentOf(tokenizerConfig[`${name}_token`]))?.id
  const bos = addsBos(tokenizer, tokens[special('bos') ?? -1]) || tokenizerConfig.add_bos_token === true
  const entries: (readonly [string, GgufValue])[] = [
    ...kind.entries(tokens),
    ['tokens', list('string', tokens)],
    ['token_type', list('i32', types)],
    ['add_bos_token', { type: 'bool', value: bos }],
  ]
  for (const [name, hub] of NAMED) {
    const id = special(hub)
    if (id !== undefined) entries.push([`${name}_token_id`, { type: 'u32', value: id }])
  }
  const metadata = new Map(entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value]))
  const template = tokenizerConfig.chat_template
  return typeof template === 'string' ? metadata.set('tokenizer.chat_template', { type: 'string', value: template }) : metadata
}

const addedToken = (id: number, content: string, special: boolean): Json => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special,
})

/** Puts a token before every text. */
const startsWith = (token: string, id: number): Json => {
  const start = { SpecialToken: { id: token, type_id: 0 } }
  const sequence = (name: string, type: number): Json => ({ Sequence: { id: name, type_id: type } })
  return {
    type: 'TemplateProcessing',
    single: [start, sequence('A', 0)],
    pair: [start, sequence('A', 0), start, sequence('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  }
}

const ADDED: readonly unknown[] = [TOKEN.unknown, TOKEN.control, TOKEN.userDefined]

/** tokenizer.json and tokenizer_config.json of a file with a merging tokenizer; undefined for other kinds. */
export const metadataToTokenizer = (metadata: Metadata): Omit<TokenizerFiles, 'config'> | undefined => {
  const kind = textOf(metadata, 'tokenizer.ggml.model')
  const tokens = listOf(metadata, 'tokenizer.ggml.tokens').map(String)
  const types = listOf(metadata, 'tokenizer.ggml.token_type')
  const special = (name: string): number | undefined => {
    const id = idOf(metadata.get(`tokenizer.ggml.${name}_token_id`)?.value)
    return id !== undefined && tokens[id] !== undefined ? id : undefined
  }
  const readers: Readonly<Record<string, () => Json | undefined>> = {
    gpt2: () => byteLevelFields(metadata),
    llama: () => sentencePieceFields(metadata, tokens, tokens[special('unknown') ?? types.indexOf(TOKEN.unknown)]),
  }
  const fields = kind !== undefined && Object.hasOwn(readers, kind) ? readers[kind]() : undefined
  if (!fields) return undefined
  const bos = special('bos')
  const hasBos = bos !== undefined && (metadata.get('tokenizer.ggml.add_bos_token')?.value ?? kind === 'llama') === true
  const vocab = tokens.flatMap((token, id) => (types[id] === TOKEN.unused ? [] : [[token, id] as const]))
  const tokenizer: Json = {
    version: '1.0',
    truncation: null,
    padding: null,
    ...fields,
    added_tokens: tokens.flatMap((token, id) =>
      ADDED.includes(types[id]) ? [addedToken(id, token, types[id] !== TOKEN.userDefined)] : [],
    ),
    post_processor: hasBos ? startsWith(tokens[bos], bos) : null,
    model: {
      type: 'BPE',
      dropout: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      ...(fields.model as Json),
      vocab: Object.fromEntries(vocab),
    },
  }
  const named = NAMED.flatMap(([name, hub]) => (special(name) === undefined ? [] : [[`${hub}_token`, tokens[special(name)!]] as const]))
  const chat = textOf(metadata, 'tokenizer.chat_template')
  const tokenizerConfig: Json = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(named),
    ...(chat === undefined ? {} : { chat_template: chat }),
  }
  return { tokenizer, tokenizerConfig }
}
