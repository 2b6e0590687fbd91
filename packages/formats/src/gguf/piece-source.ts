import type { Json } from '../files/json-text.js'
import { isRecord } from '../files/json-text.js'
import { parseSentencePiece, type Piece } from './sentence-piece-model.js'
import { list, MAX_TOKENS, TOKEN, type TokenizerSource } from './tokenizer-parts.js'

/** A token that other files add to a vocabulary or change in it. */
export interface AddedPiece {
  readonly text: string
  readonly special: boolean
}

/** The score of tokens that are never merged. */
const LAST = -1e4

/** The tokens that tokenizer_config.json and added_tokens.json add. */
export const addedPieces = (tokenizerConfig: Json, addedTokens: Json): ReadonlyMap<number, AddedPiece> => {
  const decoder = isRecord(tokenizerConfig.added_tokens_decoder) ? Object.entries(tokenizerConfig.added_tokens_decoder) : []
  const listed = decoder.flatMap(([id, token]) =>
    isRecord(token) && typeof token.content === 'string'
      ? [[Number(id), { text: token.content, special: token.special === true }] as const]
      : [],
  )
  const plain = Object.entries(addedTokens).map(([text, id]) => [Number(id), { text, special: false }] as const)
  return new Map([...plain, ...listed].filter(([id]) => Number.isSafeInteger(id) && id >= 0 && id < MAX_TOKENS))
}

/** The vocabulary of a tokenizer.model, as it stands there; texts of added tokens come from other files of the folder. */
export const pieceSource = (bytes: Uint8Array, added: ReadonlyMap<number, AddedPiece>): TokenizerSource => {
  const { pieces, addsSpace, normalizations, ...ids } = parseSentencePiece(bytes)
  const size = Math.max(pieces.length, ...[...added.keys()].map(id => id + 1))
  const at = (id: number): Piece => {
    const more = added.get(id)
    const piece = pieces[id] ?? { text: `[PAD${id}]`, score: LAST, type: TOKEN.unused }
    return more === undefined || piece.type === TOKEN.unknown ? piece : { text: more.text, score: piece.score, type: more.special ? TOKEN.control : TOKEN.userDefined } // prettier-ignore
  }
  const all = Array.from({ length: size }, (_, id) => at(id))
  const named: Readonly<Record<string, number>> = { bos: ids.bos, eos: ids.eos, unknown: ids.unknown, padding: ids.pad }
  return {
    tokens: all.map(({ text }) => text),
    types: all.map(({ type }) => type),
    idOf: text => {
      const id = all.findIndex(piece => piece.text === text)
      return id < 0 ? undefined : id
    },
    idNamed: name => (named[name] >= 0 && named[name] < size ? named[name] : undefined),
    notes: normalizations.map(what => `tokenizer.model ${what} before it splits a text, which llama.cpp does not`),
    edges: { first: all[ids.bos]?.text, last: undefined },
    entries: tokens => [
      ['model', { type: 'string', value: 'llama' }],
      ['pre', { type: 'string', value: 'default' }],
      ['scores', list('f32', tokens.map((_, id) => all[id]?.score ?? LAST))], // prettier-ignore
      ['add_space_prefix', { type: 'bool', value: addsSpace }],
    ],
  }
}
