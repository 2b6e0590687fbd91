import { CompressionError } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { wireFields } from './wire.js'

/** A piece of a SentencePiece vocabulary: its text, its score, and its type by the numbers that GGUF has too. */
export interface Piece {
  readonly text: string
  readonly score: number
  readonly type: number
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  /** Whether a text gets a space in front. */
  readonly addsSpace: boolean
  /** What it does to a text first; none of it where the list is empty. */
  readonly normalizations: readonly string[]
  readonly unknown: number
  readonly bos: number
  readonly eos: number
  readonly pad: number
}

/** Field numbers of sentencepiece_model.proto. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const
const PIECE = { text: 1, score: 2, type: 3 } as const
const TRAINER = { kind: 3, unknown: 40, bos: 41, eos: 42, pad: 43 } as const
const NORMALIZER = { characters: 2, addsSpace: 3, joinsSpaces: 4 } as const
const KINDS: Readonly<Record<number, string>> = { 1: 'unigram', 2: 'BPE', 3: 'word', 4: 'char' }
const BPE = 2

const asBytes = (value: number | Uint8Array): Uint8Array => {
  if (typeof value === 'number') throw new Error('A number stands where a text or message must.')
  return value
}
const asText = (value: number | Uint8Array): string => new TextDecoder().decode(asBytes(value))
const asNumber = (value: number | Uint8Array): number => {
  if (typeof value !== 'number') throw new Error('Bytes stand where a number must.')
  return value
}

type Fields = Readonly<Record<number, (value: number | Uint8Array) => void>>

/** Reads the fields of a message that are known and passes over the others. */
const readFields = (bytes: Uint8Array, fields: Fields): void => {
  for (const [field, value] of wireFields(bytes)) if (Object.hasOwn(fields, field)) fields[field](value)
}

const readPiece = (bytes: Uint8Array): Piece => {
  let [text, score, type] = ['', 0, 1]
  readFields(bytes, {
    [PIECE.text]: value => (text = asText(value)),
    [PIECE.score]: value => (score = asNumber(value)),
    [PIECE.type]: value => (type = asNumber(value)),
  })
  return { text, score, type }
}

const read = (bytes: Uint8Array): SentencePieceModel & { readonly kind: number } => {
  const pieces: Piece[] = []
  let [kind, unknown, bos, eos, pad] = [1, 0, 1, 2, -1]
  let [addsSpace, joinsSpaces, mapsCharacters] = [true, true, false]
  const trainer: Fields = {
    [TRAINER.kind]: value => (kind = asNumber(value)),
    [TRAINER.unknown]: value => (unknown = asNumber(value)),
    [TRAINER.bos]: value => (bos = asNumber(value)),
    [TRAINER.eos]: value => (eos = asNumber(value)),
    [TRAINER.pad]: value => (pad = asNumber(value)),
  }
  const normalizer: Fields = {
    [NORMALIZER.characters]: value => (mapsCharacters = asBytes(value).length > 0),
    [NORMALIZER.addsSpace]: value => (addsSpace = asNumber(value) !== 0),
    [NORMALIZER.joinsSpaces]: value => (joinsSpaces = asNumber(value) !== 0),
  }
  readFields(bytes, {
    [MODEL.pieces]: value => pieces.push(readPiece(asBytes(value))),
    [MODEL.trainer]: value => readFields(asBytes(value), trainer),
    [MODEL.normalizer]: value => readFields(asBytes(value), normalizer),
  })
  const normalizations = [
    ...(mapsCharacters ? ['maps characters to others'] : []),
    ...(joinsSpaces ? ['joins spaces that follow each other'] : []),
  ]
  return { pieces, kind, unknown, bos, eos, pad, addsSpace, normalizations }
}

/**
 * Reads a tokenizer.model of SentencePiece (Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226).
 * Throws BAD_FILE, and UNSUPPORTED for a kind that does not merge pairs: llama.cpp would split texts in another way.
 */
export const parseSentencePiece = (bytes: Uint8Array): SentencePieceModel => {
  const remedy = "Take the tokenizer.model of the model's own folder."
  let model: ReturnType<typeof read>
  try {
    model = read(bytes)
  } catch (cause) {
    throw badFile('tokenizer.model is no model of SentencePiece.', remedy, {}, cause)
  }
  const { kind, ...rest } = model
  if (rest.pieces.length === 0 || rest.pieces.some(({ score, type }) => !Number.isFinite(score) || !(type >= 1 && type <= 6)))
    throw badFile('tokenizer.model has no vocabulary of pieces with scores.', remedy)
  if (kind === BPE) return rest
  throw new CompressionError(
    'UNSUPPORTED',
    `tokenizer.model is a tokenizer of the kind ${KINDS[kind] ?? String(kind)}; only BPE has a counterpart in GGUF.`,
    'Leave tokenizer.model out of the folder to write a model without tokenizer.',
    { kind },
  )
}
