import { CompressionError } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import type { Json } from '../files/json-text.js'
import { isCounts, isRecord } from '../files/json-text.js'
import type { GgufValue, Metadata, Scalar } from './header.js'

/** tokenizer.ggml.token_type. */
export const TOKEN = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** A merging tokenizer's model in tokenizer.json. */
export interface MergeModel {
  readonly vocab: Readonly<Record<string, number>>
  readonly merges: readonly (string | readonly string[])[]
  readonly unk_token?: string | null
  readonly byte_fallback?: boolean
}

/** One way of spelling text as tokens: what tells its keys from those of the other ways. */
export interface TokenizerKind {
  spell(token: string): string
  typeOf(token: string): number
  /** Its keys after "tokenizer.ggml.". */
  entries(tokens: readonly string[]): readonly (readonly [key: string, value: GgufValue])[]
}

export const unsupported = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${what} has no counterpart in GGUF.`,
    'Leave tokenizer.json out of the files to write a model without tokenizer.',
    { what },
  )

const isPair = (pair: unknown): boolean => typeof pair === 'string' || (Array.isArray(pair) && pair.every(part => typeof part === 'string'))

const isMergeModel = (model: Json): model is Json & MergeModel => {
  const { vocab, merges } = model
  return isRecord(vocab) && isCounts(Object.values(vocab)) && Array.isArray(merges) && merges.every(isPair)
}

/** The model of a tokenizer.json; throws UNSUPPORTED for one that does not merge, BAD_FILE for one without vocabulary. */
export const mergeModelOf = ({ model }: Json): MergeModel => {
  const type = isRecord(model) ? model.type : undefined
  if (!isRecord(model) || type !== 'BPE') throw unsupported(`A tokenizer of type ${String(type ?? 'none')}`)
  if (isMergeModel(model)) return model
  throw badFile('tokenizer.json has no vocabulary with merges.', "Take the tokenizer.json of the model's own folder.")
}

/** A pre-tokenizer, normalizer or decoder as a list of steps. */
export const stepsOf = (step: unknown, inner: 'pretokenizers' | 'normalizers'): readonly Json[] => {
  if (!isRecord(step)) return []
  return step.type === 'Sequence' ? ((step[inner] as readonly unknown[] | undefined) ?? []).flatMap(next => stepsOf(next, inner)) : [step]
}

export const list = (of: 'string' | 'i32' | 'f32', value: readonly Scalar[]): GgufValue => ({ type: 'list', of, value })

export const textOf = (metadata: Metadata, key: string): string | undefined => {
  const value = metadata.get(key)?.value
  return typeof value === 'string' ? value : undefined
}

export const listOf = (metadata: Metadata, key: string): readonly Scalar[] => {
  const value = metadata.get(key)?.value
  return Array.isArray(value) ? value : []
}

/** Left and right half of a merge, which is a pair or "left right". */
export const halvesOf = (merge: string | readonly string[]): readonly string[] => (typeof merge === 'string' ? merge.split(' ') : merge)

/** Tokens with their types: one for each row of the embedding. */
export interface Vocabulary {
  readonly tokens: readonly string[]
  readonly types: readonly number[]
}

/** What tells one kind of vocabulary's keys from those of another, and what each puts around a text. */
export interface TokenizerSource extends Vocabulary {
  entries(tokens: readonly string[]): readonly (readonly [key: string, value: GgufValue])[]
  idOf(text: string): number | undefined
  /** The id that the tokenizer itself gives a part, where no config does. */
  idNamed?(name: string): number | undefined
  /** What of it the file has no place for. */
  readonly notes?: readonly string[]
  readonly edges: { readonly first: unknown; readonly last: unknown }
}

/** The largest id that any tokenizer in use comes near; a list is made of all below it. */
export const MAX_TOKENS = 1 << 24
