import type { Json } from '../files/json-text.js'
import { isRecord } from '../files/json-text.js'
import type { Metadata } from './header.js'
import { halvesOf, list, listOf, stepsOf, TOKEN, unsupported, type MergeModel, type TokenizerKind } from './tokenizer-parts.js'

/** Stands for a space. */
const SPACE = '▁'
const BYTE = /^<0x[0-9A-F]{2}>$/

/** Whether a text gets a space in front; throws UNSUPPORTED where spaces are not marked at all. */
const prefixesSpace = (tokenizer: Json): boolean => {
  const normalizers = stepsOf(tokenizer.normalizer, 'normalizers')
  const metaspace = stepsOf(tokenizer.pre_tokenizer, 'pretokenizers').find(step => step.type === 'Metaspace')
  const replaces = normalizers.some(step => step.type === 'Replace' && step.content === SPACE)
  if (!metaspace && !replaces) throw unsupported('A tokenizer of type BPE with byte_fallback that does not mark spaces')
  const scheme = metaspace?.prepend_scheme ?? (metaspace?.add_prefix_space === false ? 'never' : 'always')
  return normalizers.some(step => step.type === 'Prepend') || (metaspace !== undefined && scheme !== 'never')
}

/** A token's score is higher the earlier it is merged; tokens that nothing merges come last. */
const scoresOf = (tokens: readonly string[], merges: MergeModel['merges']): readonly number[] => {
  const ranks = new Map<string, number>()
  merges.forEach((merge, rank) => {
    const token = halvesOf(merge).join('')
    if (!ranks.has(token)) ranks.set(token, rank)
  })
  return tokens.map(token => -(ranks.get(token) ?? merges.length))
}

/** SentencePiece's byte pairs, as Llama 2 and Mistral have them: spaces are marked, unknown characters become bytes. */
export const sentencePiece = (tokenizer: Json, model: MergeModel): TokenizerKind => {
  const prefix = prefixesSpace(tokenizer)
  return {
    spell: token => token,
    typeOf: token => (BYTE.test(token) ? TOKEN.byte : token === model.unk_token ? TOKEN.unknown : TOKEN.normal),
    entries: tokens => [
      ['model', { type: 'string', value: 'llama' }],
      ['pre', { type: 'string', value: 'default' }],
      ['scores', list('f32', scoresOf(tokens, model.merges))],
      ['add_space_prefix', { type: 'bool', value: prefix }],
    ],
  }
}

/** Pieces of real vocabularies have some dozen characters; splitting takes the square of the length. */
export const MAX_PIECE_LENGTH = 128

/** Every way to merge two tokens into a third, best score first. */
const mergesOf = (tokens: readonly string[], types: readonly unknown[], scores: readonly number[]): readonly (readonly string[])[] => {
  const known = new Map(tokens.map((token, id) => [token, id]))
  const found: { readonly pair: readonly string[]; readonly score: number }[] = []
  tokens.forEach((token, id) => {
    if (types[id] !== TOKEN.normal || token.length > MAX_PIECE_LENGTH) return
    for (let at = 1; at < token.length; at++) {
      const pair = [token.slice(0, at), token.slice(at)]
      if (pair.every(part => types[known.get(part) ?? -1] === TOKEN.normal)) found.push({ pair, score: scores[id] })
    }
  })
  return found.sort((a, b) => b.score - a.score).map(({ pair }) => pair)
}

/** The fields of a tokenizer.json that marks spaces. */
export const sentencePieceFields = (metadata: Metadata, tokens: readonly string[], unknown: string | undefined): Json => {
  const prefix = metadata.get('tokenizer.ggml.add_space_prefix')?.value !== false
  const replace = (from: string, to: string): Json => ({ type: 'Replace', pattern: { String: from }, content: to })
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 }
  const types = listOf(metadata, 'tokenizer.ggml.token_type')
  const scores = listOf(metadata, 'tokenizer.ggml.scores').map(Number)
  return {
    normalizer: { type: 'Sequence', normalizers: [...(prefix ? [{ type: 'Prepend', prepend: SPACE }] : []), replace(' ', SPACE)] },
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders: [replace(SPACE, ' '), { type: 'ByteFallback' }, { type: 'Fuse' }, ...(prefix ? [strip] : [])] },
    model: {
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      merges: mergesOf(tokens, types, scores),
    },
  }
}

/** Whether tokenizer.json describes SentencePiece's kind of byte pairs. */
export const isSentencePiece = (model: MergeModel): boolean => isRecord(model) && model.byte_fallback === true
