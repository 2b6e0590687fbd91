import type { Json } from '../files/json-text.js'
import { isRecord } from '../files/json-text.js'
import type { Metadata } from './header.js'
import { PRE_TOKENIZERS } from './tables/pre-tokenizers.js'
import { halvesOf, list, listOf, stepsOf, textOf, TOKEN, unsupported, type MergeModel, type TokenizerKind } from './tokenizer-parts.js'

/** GPT-2's alphabet: printable bytes stand for themselves, the others for characters from 256 on. */
const isPrintable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174

const alphabet = (): readonly string[] => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
}

const CHARACTERS = alphabet()

/** Text as ByteLevel tokenizers spell it: " a" → "Ġa". */
const toByteLevel = (text: string): string => Array.from(new TextEncoder().encode(text), byte => CHARACTERS[byte]).join('')

/** Line breaks stand in patterns as they are or escaped, which is the same. */
const escaped = (pattern: unknown): string =>
  String(isRecord(pattern) ? (pattern.Regex ?? JSON.stringify(pattern)) : '')
    .replaceAll('\r', '\\r')
    .replaceAll('\n', '\\n')

/** What tells pre-tokenizers apart: kinds, patterns and the flags that change pieces. */
const signature = (steps: readonly Json[]): string =>
  JSON.stringify(
    steps.map(({ type, pattern, use_regex = true, individual_digits = false, behavior = 'Isolated', invert = false }) => [
      type,
      escaped(pattern),
      type === 'Split' && [behavior, invert],
      type === 'ByteLevel' && use_regex,
      type === 'Digits' && individual_digits,
    ]),
  )

const preTokenizerOf = (tokenizer: Json): string => {
  const steps = stepsOf(tokenizer.pre_tokenizer, 'pretokenizers')
  if (steps.some(step => step.type === 'ByteLevel' && step.add_prefix_space === true))
    throw unsupported('A ByteLevel pre-tokenizer with add_prefix_space')
  const found = Object.entries(PRE_TOKENIZERS).find(([, known]) => signature(known.steps) === signature(steps))
  if (found) return found[0]
  throw unsupported(`The pre-tokenizer ${steps.map(step => step.type).join(', ') || 'none'}`)
}

/**
 * Bytes spelled as printable characters, as GPT-2 does; throws UNSUPPORTED for a pre-tokenizer that llama.cpp lacks.
 * Without pre-tokenizer and merges every character is a token, which is the same once it is spelled so.
 */
export const byteLevel = (tokenizer: Json, model: MergeModel): TokenizerKind => {
  const characters = !isRecord(tokenizer.pre_tokenizer) && model.merges.length === 0
  const pre = characters ? 'gpt-2' : preTokenizerOf(tokenizer)
  const merges = model.merges.map(merge =>
    halvesOf(merge)
      .map(half => half.replaceAll(' ', 'Ġ'))
      .join(' '),
  )
  return {
    spell: characters ? toByteLevel : token => token,
    typeOf: () => TOKEN.normal,
    entries: () => [
      ['model', { type: 'string', value: 'gpt2' }],
      ['pre', { type: 'string', value: pre }],
      ['merges', list('string', merges)],
    ],
  }
}

/** The fields of a tokenizer.json that spells bytes; undefined for a pre-tokenizer that is not known. */
export const byteLevelFields = (metadata: Metadata): Json | undefined => {
  const known = PRE_TOKENIZERS[textOf(metadata, 'tokenizer.ggml.pre') ?? '']
  return (
    known && {
      normalizer: known.normalizer,
      pre_tokenizer: known.steps.length === 1 ? known.steps[0] : { type: 'Sequence', pretokenizers: known.steps },
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        unk_token: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: known.ignoreMerges,
        merges: listOf(metadata, 'tokenizer.ggml.merges').map(String),
      },
    }
  )
}
