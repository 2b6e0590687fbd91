import type { Json } from '../files/json-text.js'
import { isRecord } from '../files/json-text.js'
import type { GgufValue } from './header.js'
import type { TokenizerSource } from './tokenizer-parts.js'

/** Keys of tokens by their part: GGUF's name, the hub's name. */
export const NAMED_TOKENS = [
  ['bos', 'bos'],
  ['eos', 'eos'],
  ['unknown', 'unk'],
  ['seperator', 'sep'], // as GGUF spells it
  ['padding', 'pad'],
  ['cls', 'cls'],
  ['mask', 'mask'],
] as const

/** Where further tokens that end a text go, after the first. */
const MORE_ENDS = ['eot', 'eom'] as const

export interface SpecialFiles {
  readonly tokenizerConfig: Json
  readonly config: Json
  readonly generationConfig: Json
}

/** What a token's entry in tokenizer_config.json says: text, or an object with content. */
const contentOf = (token: unknown): unknown => (isRecord(token) ? token.content : token)

const idsOf = (value: unknown): readonly number[] =>
  [value].flat().filter((id): id is number => Number.isInteger(id) && (id as number) >= 0)

export interface SpecialTokens {
  readonly ids: ReadonlyMap<string, number>
  readonly entries: readonly (readonly [key: string, value: GgufValue])[]
  readonly notes: readonly string[]
}

/**
 * The ids of tokens with a part of their own, in the order of llama.cpp's converter: what tokenizer_config.json names comes before the ids of
 * config.json, since a chat model keeps the ids of the model it was tuned from there. What else ends a text goes to eot and eom.
 */
export const specialTokens = (
  files: SpecialFiles,
  tokens: readonly string[],
  { idOf, idNamed }: Pick<TokenizerSource, 'idOf' | 'idNamed'>,
): SpecialTokens => {
  const { tokenizerConfig, config, generationConfig } = files
  const ids = new Map<string, number>()
  for (const [name, hub] of NAMED_TOKENS) {
    const text = contentOf(tokenizerConfig[`${hub}_token`])
    const candidates = [...(typeof text === 'string' ? [idOf(text)] : []), ...idsOf(config[`${hub}_token_id`]), ...idsOf(generationConfig[`${hub}_token_id`]), idNamed?.(name)] // prettier-ignore
    const id = candidates.find(candidate => candidate !== undefined && candidate < tokens.length)
    if (id !== undefined) ids.set(name, id)
  }
  const ends = [...idsOf(generationConfig.eos_token_id), ...idsOf(config.eos_token_id)].filter(id => id < tokens.length)
  const more = [...new Set(ends)].filter(id => id !== ids.get('eos'))
  more.slice(0, MORE_ENDS.length).forEach((id, index) => ids.set(MORE_ENDS[index], id))
  const left = more.slice(MORE_ENDS.length)
  return {
    ids,
    entries: [...ids].map(([name, id]) => [`${name}_token_id`, { type: 'u32', value: id }] as const),
    notes: left.length === 0 ? [] : [`GGUF has room for three tokens that end a text: ${left.join(', ')} do not`],
  }
}

/** Which special token a tokenizer puts before and behind every text. */
export const edgesOf = ({ post_processor: processor }: Json): { readonly first: unknown; readonly last: unknown } => {
  const all = isRecord(processor) ? [processor, ...((processor.processors as Json[] | undefined) ?? [])] : []
  const template = all.map(({ single }) => single).find((single): single is readonly unknown[] => Array.isArray(single))
  const idAt = (at: number): unknown => {
    const step = template?.at(at)
    return isRecord(step) && isRecord(step.SpecialToken) ? step.SpecialToken.id : undefined
  }
  return { first: idAt(0), last: template && template.length > 1 ? idAt(-1) : undefined }
}

/** What tokenizer_config.json says outright, else what the post-processor does. */
export const adds = (tokenizerConfig: Json, name: 'bos' | 'eos', edge: unknown, token: string | undefined): boolean => {
  const said = tokenizerConfig[`add_${name}_token`]
  return typeof said === 'boolean' ? said : token !== undefined && edge === token
}
