import { CompressionError } from '@tersor/tensor'
import type { Json } from '../huggingface/open.js'
import { toByteLevel } from './byte-level.js'
import type { GgufValue, Metadata, Scalar } from './header.js'
import { PRE_TOKENIZERS } from './tables/pre-tokenizers.js'

/** tokenizer.ggml.token_type. */
const TOKEN = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5 } as const

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special?: boolean
}
interface BytePair {
  readonly type: string
  readonly vocab: Readonly<Record<string, number>>
  readonly merges: readonly (string | readonly string[])[]
  readonly byte_fallback?: boolean
}

const unsupported = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${what} has no counterpart in GGUF.`,
    'Leave tokenizer.json out of the files to write a model without tokenizer.',
    { what },
  )

const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const stepsOf = (preTokenizer: unknown): readonly Json[] => {
  if (!isJson(preTokenizer)) return []
  return preTokenizer.type === 'Sequence' ? (preTokenizer.pretokenizers as Json[]).flatMap(stepsOf) : [preTokenizer]
}

/** What tells pre-tokenizers apart: kinds, patterns and the flags that change pieces. */
const signature = (steps: readonly Json[]): string =>
  JSON.stringify(
    steps.map(({ type, pattern, use_regex = true, individual_digits = false }) => [
      type,
      (pattern as Json | undefined)?.Regex ?? null,
      type === 'ByteLevel' && use_regex,
      type === 'Digits' && individual_digits,
    ]),
  )

const preTokenizerOf = (tokenizer: Json): string => {
  const steps = stepsOf(tokenizer.pre_tokenizer)
  if (steps.some(step => step.type === 'ByteLevel' && step.add_prefix_space === true))
    throw unsupported('A ByteLevel pre-tokenizer with add_prefix_space')
  const found = Object.entries(PRE_TOKENIZERS).find(([, known]) => signature(known.steps) === signature(steps))
  if (found) return found[0]
  throw unsupported(`The pre-tokenizer ${steps.map(step => step.type).join(', ') || 'none'}`)
}

const bytePairOf = (tokenizer: Json): BytePair => {
  const model = tokenizer.model as BytePair | undefined
  if (model?.type !== 'BPE' || model.byte_fallback)
    throw unsupported(`A tokenizer of type ${model?.type ?? 'none'}${model?.byte_fallback ? ' with byte_fallback' : ''}`)
  return model
}

/** Without pre-tokenizer and without merges every character is a token: the same as ByteLevel once it is spelled so. */
const isCharacterLevel = (tokenizer: Json, model: BytePair): boolean => !isJson(tokenizer.pre_tokenizer) && model.merges.length === 0

const addsBos = (tokenizer: Json, bos: string | undefined): boolean => {
  const processors = isJson(tokenizer.post_processor)
    ? [tokenizer.post_processor, ...((tokenizer.post_processor.processors as Json[] | undefined) ?? [])]
    : []
  return processors.some(
    ({ single }) =>
      Array.isArray(single) && isJson(single[0]) && (single[0].SpecialToken as Json | undefined)?.id === bos && bos !== undefined,
  )
}

const list = (of: 'string' | 'i32', value: readonly Scalar[]): GgufValue => ({ type: 'list', of, value })

/** What a token's entry in tokenizer_config.json or special_tokens_map.json says: text, or an object with content. */
const contentOf = (token: unknown): string | undefined =>
  typeof token === 'string' ? token : isJson(token) && typeof token.content === 'string' ? token.content : undefined

const idOf = (value: unknown): number | undefined => [value].flat().find((id): id is number => typeof id === 'number')

export interface TokenizerFiles {
  readonly tokenizer: Json
  /** tokenizer_config.json. */
  readonly tokenizerConfig: Json
  readonly config: Json
}

/** The keys of a byte-pair tokenizer, as llama.cpp reads them. Throws UNSUPPORTED for other kinds. */
export const tokenizerToMetadata = ({ tokenizer, tokenizerConfig, config }: TokenizerFiles): Metadata => {
  const model = bytePairOf(tokenizer)
  const characters = isCharacterLevel(tokenizer, model)
  const added = (tokenizer.added_tokens as AddedToken[] | undefined) ?? []
  const ids = [...Object.values(model.vocab), ...added.map(({ id }) => id)]
  const size = Math.max(idOf(config.vocab_size) ?? 0, ids.reduce((largest, id) => Math.max(largest, id), -1) + 1)
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`)
  const types = Array.from<number>({ length: size }).fill(TOKEN.unused)
  const set = (id: number, text: string, type: number): void => {
    tokens[id] = text
    types[id] = type
  }
  for (const [text, id] of Object.entries(model.vocab)) set(id, characters ? toByteLevel(text) : text, TOKEN.normal)
  for (const { id, content, special } of added) set(id, content, special ? TOKEN.control : TOKEN.userDefined)
  const special = (name: string): number | undefined => {
    const content = contentOf(tokenizerConfig[`${name}_token`])
    return idOf(config[`${name}_token_id`]) ?? added.find(token => token.content === content)?.id
  }
  const bos = special('bos')
  const metadata = new Map<string, GgufValue>([
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: characters ? 'gpt-2' : preTokenizerOf(tokenizer) }],
    ['tokenizer.ggml.tokens', list('string', tokens)],
    ['tokenizer.ggml.token_type', list('i32', types)],
    [
      'tokenizer.ggml.merges',
      list(
        'string',
        model.merges.map(pair => (typeof pair === 'string' ? pair : pair.join(' '))),
      ),
    ],
    [
      'tokenizer.ggml.add_bos_token',
      { type: 'bool', value: addsBos(tokenizer, tokens[bos ?? -1]) || tokenizerConfig.add_bos_token === true },
    ],
  ])
  const named = { bos, eos: special('eos'), unknown: special('unk'), padding: special('pad') }
  for (const [name, id] of Object.entries(named))
    if (id !== undefined) metadata.set(`tokenizer.ggml.${name}_token_id`, { type: 'u32', value: id })
  const template = tokenizerConfig.chat_template
  if (typeof template === 'string') metadata.set('tokenizer.chat_template', { type: 'string', value: template })
  return metadata
}

const textOf = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key)?.value
  return typeof value === 'string' ? value : undefined
}
const listOf = (metadata: Metadata, key: string): readonly Scalar[] => {
  const value = metadata.get(key)?.value
  return Array.isArray(value) ? value : []
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

const template = (token: string, id: number): Json => {
  const start = { SpecialToken: { id: token, type_id: 0 } }
  const sequence = (name: string, type: number): Json => ({ Sequence: { id: name, type_id: type } })
  return {
    type: 'TemplateProcessing',
    single: [start, sequence('A', 0)],
    pair: [start, sequence('A', 0), start, sequence('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  }
}

/** tokenizer.json and tokenizer_config.json of a file with a byte-pair tokenizer; undefined for other kinds. */
export const metadataToTokenizer = (metadata: Metadata): Omit<TokenizerFiles, 'config'> | undefined => {
  const known = PRE_TOKENIZERS[textOf(metadata, 'tokenizer.ggml.pre') ?? '']
  if (textOf(metadata, 'tokenizer.ggml.model') !== 'gpt2' || !known) return undefined
  const tokens = listOf(metadata, 'tokenizer.ggml.tokens').map(String)
  const types = listOf(metadata, 'tokenizer.ggml.token_type')
  const special = (name: string): number | undefined => idOf(metadata.get(`tokenizer.ggml.${name}_token_id`)?.value)
  const ids = { bos: special('bos'), eos: special('eos'), unk: special('unknown'), pad: special('padding') }
  const named = Object.entries(ids).flatMap(([name, id]) =>
    id === undefined || tokens[id] === undefined ? [] : [[`${name}_token`, tokens[id]] as const],
  )
  const hasBos = metadata.get('tokenizer.ggml.add_bos_token')?.value === true && ids.bos !== undefined && tokens[ids.bos] !== undefined
  const isAdded = (id: number): boolean => types[id] === TOKEN.control || types[id] === TOKEN.userDefined || types[id] === TOKEN.unknown
  const chat = textOf(metadata, 'tokenizer.chat_template')
  const tokenizer: Json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokens.flatMap((token, id) => (isAdded(id) ? [addedToken(id, token, types[id] !== TOKEN.userDefined)] : [])),
    normalizer: known.normalizer,
    pre_tokenizer: known.steps.length === 1 ? known.steps[0] : { type: 'Sequence', pretokenizers: known.steps },
    post_processor: hasBos ? template(tokens[ids.bos!], ids.bos!) : null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: known.ignoreMerges,
      vocab: Object.fromEntries(tokens.flatMap((token, id) => (types[id] === TOKEN.unused ? [] : [[token, id] as const]))),
      merges: listOf(metadata, 'tokenizer.ggml.merges').map(String),
    },
  }
  const tokenizerConfig: Json = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(named),
    ...(chat === undefined ? {} : { chat_template: chat }),
  }
  return { tokenizer, tokenizerConfig }
}
