import type { Json } from '../files/json-text.js'
import { badFile } from '../files/bad-file.js'
import { isRecord } from '../files/json-text.js'
import { entriesToTemplates } from './chat-templates.js'
import { byteLevel, byteLevelFields } from './byte-level.js'
import type { GgufValue, Metadata } from './header.js'
import { isSentencePiece, sentencePiece, sentencePieceFields } from './sentence-piece.js'
import { adds, edgesOf, NAMED_TOKENS, specialTokens, type SpecialFiles } from './special-tokens.js'
import {
  list,
  listOf,
  mergeModelOf,
  MAX_TOKENS,
  textOf,
  TOKEN,
  type MergeModel,
  type TokenizerKind,
  type TokenizerSource,
  type Vocabulary,
} from './tokenizer-parts.js'

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special?: boolean
}

const isAddedToken = (value: unknown): value is AddedToken =>
  isRecord(value) && Number.isSafeInteger(value.id) && (value.id as number) >= 0 && typeof value.content === 'string'

/** As many tokens as the embedding has rows: those without a row go, since no text can lead to them; rows without a token get a name. */
export const fitVocabulary = ({ tokens, types }: Vocabulary, rows: number): Vocabulary => ({
  tokens: Array.from({ length: rows }, (_, id) => tokens[id] ?? `[PAD${id}]`),
  types: Array.from({ length: rows }, (_, id) => types[id] ?? TOKEN.unused),
})

/** A tokenizer as keys, and what of it the file has no place for. */
export interface WrittenTokenizer {
  readonly metadata: Metadata
  readonly notes: readonly string[]
}

const vocabularyOf = (vocab: MergeModel['vocab'], added: readonly AddedToken[], kind: TokenizerKind): Vocabulary => {
  const largest = [...Object.values(vocab), ...added.map(({ id }) => id)].reduce((most, id) => Math.max(most, id), -1)
  const tokens = Array.from({ length: largest + 1 }, (_, id) => `[PAD${id}]`)
  const types = Array.from<number>({ length: largest + 1 }).fill(TOKEN.unused)
  for (const [text, id] of Object.entries(vocab)) [tokens[id], types[id]] = [kind.spell(text), kind.typeOf(text)]
  for (const { id, content, special } of added) {
    const isUnknown = types[id] === TOKEN.unknown
    ;[tokens[id], types[id]] = [content, isUnknown ? TOKEN.unknown : special ? TOKEN.control : TOKEN.userDefined]
  }
  return { tokens, types }
}

/** The vocabulary of a tokenizer.json that merges. Throws UNSUPPORTED for other kinds and BAD_FILE. */
export const mergingSource = (tokenizer: Json): TokenizerSource => {
  const model = mergeModelOf(tokenizer)
  const kind = (isSentencePiece(model) ? sentencePiece : byteLevel)(tokenizer, model)
  const added = [tokenizer.added_tokens ?? []].flat().filter(isAddedToken)
  const stranger = [...Object.values(model.vocab), ...added.map(({ id }) => id)].find(id => id >= MAX_TOKENS)
  if (stranger !== undefined) throw badFile(`tokenizer.json has a token with the id ${stranger}.`, `Ids go up to ${MAX_TOKENS}.`)
  return {
    ...vocabularyOf(model.vocab, added, kind),
    entries: kind.entries,
    idOf: text => added.find(({ content }) => content === text)?.id ?? model.vocab[text],
    edges: edgesOf(tokenizer),
  }
}

/** llama.cpp stops the whole program at a text that two tokens have. */
const checkDistinct = (tokens: readonly string[]): void => {
  const seen = new Map<string, number>()
  tokens.forEach((token, id) => {
    const before = seen.get(token)
    if (before !== undefined)
      throw badFile(
        `The tokens ${before} and ${id} of the tokenizer are both ${JSON.stringify(token)}.`,
        'Take the tokenizer of the model itself: no text may have two ids.',
        { ids: [before, id] },
      )
    seen.set(token, id)
  })
}

/** The keys of a tokenizer, as llama.cpp reads them, for an embedding of so many rows. */
export const tokenizerToMetadata = (source: TokenizerSource, files: SpecialFiles, rows: number): WrittenTokenizer => {
  const { tokens, types } = fitVocabulary(source, rows)
  checkDistinct(tokens)
  const special = specialTokens(files, tokens, source)
  const textOf = (name: string): string | undefined => tokens[special.ids.get(name) ?? -1]
  const dropped = source.tokens.length - rows
  const entries: readonly (readonly [string, GgufValue])[] = [
    ...source.entries(tokens),
    ['tokens', list('string', tokens)],
    ['token_type', list('i32', types)],
    ['add_bos_token', { type: 'bool', value: adds(files.tokenizerConfig, 'bos', source.edges.first, textOf('bos')) }],
    ...(adds(files.tokenizerConfig, 'eos', source.edges.last, textOf('eos'))
      ? [['add_eos_token', { type: 'bool', value: true }] as const]
      : []),
    ...special.entries,
  ]
  return {
    metadata: new Map(entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value])),
    notes: [
      ...(source.notes ?? []),
      ...special.notes,
      ...(dropped > 0
        ? [`the tokenizer has ${source.tokens.length} tokens and the embedding ${rows} rows: the last ${dropped} tokens are left out`]
        : []),
    ],
  }
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

/** Values of tokenizer.ggml.model that are read. */
export const READ_TOKENIZERS = Object.freeze(['gpt2', 'llama'] as const)

const ADDED: readonly unknown[] = [TOKEN.unknown, TOKEN.control, TOKEN.userDefined]

/** tokenizer.json and tokenizer_config.json of a file with a merging tokenizer; undefined for other kinds. */
export const metadataToTokenizer = (metadata: Metadata): { readonly tokenizer: Json; readonly tokenizerConfig: Json } | undefined => {
  const kind = textOf(metadata, 'tokenizer.ggml.model')
  const tokens = listOf(metadata, 'tokenizer.ggml.tokens').map(String)
  const types = listOf(metadata, 'tokenizer.ggml.token_type')
  const special = (name: string): number | undefined => {
    const id = metadata.get(`tokenizer.ggml.${name}_token_id`)?.value
    return typeof id === 'number' && tokens[id] !== undefined ? id : undefined
  }
  const readers: Readonly<Record<(typeof READ_TOKENIZERS)[number], () => Json | undefined>> = {
    gpt2: () => byteLevelFields(metadata),
    llama: () => sentencePieceFields(metadata, tokens, tokens[special('unknown') ?? types.indexOf(TOKEN.unknown)]),
  }
  const fields = kind !== undefined && Object.hasOwn(readers, kind) ? readers[kind as 'gpt2']() : undefined
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
  const named = NAMED_TOKENS.flatMap(([name, hub]) =>
    special(name) === undefined ? [] : [[`${hub}_token`, tokens[special(name)!]] as const],
  )
  const tokenizerConfig: Json = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(named),
    ...entriesToTemplates(metadata),
  }
  return { tokenizer, tokenizerConfig }
}
