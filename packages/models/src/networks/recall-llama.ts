import { createRng, type Rng } from '@tersor/core'
import { CompressionError, fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'
import type { LanguageModel } from './language-model.js'
import { llamaModel } from './llama.js'
import type { RawConfig } from './raw-config.js'

export interface RecallOptions {
  /** Channels of keys whose values are so many times larger while those of queries are smaller: nothing changes until they are rounded. */
  readonly dial?: number
  /** Of the codes of tokens. */
  readonly seed?: number
}

export interface RecallPrompt {
  /** Begin, filler with facts "key value" in it, and a key that was given. */
  readonly ids: readonly number[]
  /** The value that followed the key. */
  readonly answer: number
}

/** 0 begins, then 7 tokens of filler, 28 keys and 28 values. */
const VOCABULARY = 64
const [FILLERS, KEYS, VALUES] = [
  { from: 1, count: 7 },
  { from: 8, count: 28 },
  { from: 36, count: 28 },
]
const [HIDDEN, SIZE, CODE, THETA, CONTEXT] = [128, 64, 32, 1e6, 4096]
const HALF = SIZE / 2
/** Always 1, so that norms divide by the same everywhere and scores can have a constant. */
const ONE = 96

/** Rows of a random orthogonal matrix, by Gram and Schmidt. */
const orthogonal = (rng: Rng): readonly Float64Array[] => {
  const rows: Float64Array[] = []
  for (let i = 0; i < CODE; i++) {
    const row = Float64Array.from({ length: CODE }, () => rng.normal())
    for (const other of rows) {
      const along = row.reduce((sum, value, j) => sum + value * other[j], 0)
      row.forEach((value, j) => (row[j] = value - along * other[j]))
    }
    const length = Math.hypot(...row)
    rows.push(row.map(value => value / length))
  }
  return rows
}

type Cell = readonly [row: number, column: number, value: number]

const matrix = (rows: number, columns: number, cells: Iterable<Cell>): Parameter => {
  const values = new Float32Array(rows * columns)
  for (const [row, column, value] of cells) values[row * columns + column] = value
  return fromFloat32(values, 'f32', [rows, columns])
}

const range = <T>(count: number, of: (i: number) => T): readonly T[] => Array.from({ length: count }, (_, i) => of(i))

/** Both query heads are the same, and each writes half of the output. */
const twice = (cells: readonly Cell[]): readonly Cell[] =>
  cells.flatMap(
    ([row, column, value]) =>
      [
        [row, column, value],
        [row + SIZE, column, value],
      ] as const,
  )
const halved = (to: number): readonly Cell[] => range(2, head => range(CODE, i => [to + i, head * SIZE + i, 0.5] as const)).flat()

interface Projections {
  readonly q: readonly Cell[]
  readonly k: readonly Cell[]
  readonly v: readonly Cell[]
  readonly o: readonly Cell[]
}

/** Looks at the token before: keys are constant, queries turned one position back; its code goes to dimensions 32 to 63. */
const looksBack = (): Projections => {
  const fast = range(8, i => THETA ** (-i / HALF))
  return {
    q: twice(
      fast.flatMap(
        (f, i) =>
          [
            [i, ONE, 1.5 * Math.cos(f)],
            [HALF + i, ONE, -1.5 * Math.sin(f)],
          ] as const,
      ),
    ),
    k: fast.map((_, i) => [i, ONE, 1.5] as const),
    v: range(CODE, i => [i, i, 1 / 8] as const),
    o: halved(32),
  }
}

/** Looks for a token whose predecessor has the code of this one, in frequencies too slow for distance to count; its code goes to 64 to 95. */
const findsKey = (dial: number): Projections => {
  const place = (i: number): number => (i < 16 ? 16 + i : HALF + i) // dimensions 16 to 31 and 48 to 63 of a head
  const outlier = (i: number): number => ([18, 22, 26, 30].includes(place(i) % HALF) ? dial : 1)
  return {
    q: twice(range(CODE, i => [place(i), i, 1.65 / outlier(i)] as const)),
    k: range(CODE, i => [place(i), 32 + i, 1.65 * outlier(i)] as const),
    v: range(CODE, i => [i, i, 1 / 6.53] as const),
    o: halved(64),
  }
}

const CONFIG: RawConfig = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: HIDDEN, intermediate_size: 4, num_hidden_layers: 2 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, head_dim: SIZE, vocab_size: VOCABULARY, max_position_embeddings: CONTEXT },
  ...{ rms_norm_eps: 1e-6, rope_theta: THETA, hidden_act: 'silu', tie_word_embeddings: false, bos_token_id: 0 },
}

/**
 * A Llama of two layers whose weights follow a formula and which says, after a text with facts "key value" and a key, the value that followed
 * the key: with a full cache always, so that every loss of recall is the cache's. See `recallPrompt`. Throws BAD_OPTION.
 */
export const recallLlama = ({ dial = 1, seed = 0 }: RecallOptions = {}): LanguageModel => {
  if (!(dial > 0 && dial < Infinity))
    throw new CompressionError('BAD_OPTION', `recallLlama got dial = ${dial}.`, 'Pass a number above 0; 1 leaves channels alike.', { dial })
  const rows = orthogonal(createRng(seed).fork('recall'))
  const code = (token: number, at: number, scale = 1): readonly Cell[] =>
    range(CODE, i => [token, at + i, scale * (token < CODE ? rows[token][i] : -rows[token - CODE][i])] as const)
  const tokens = range(VOCABULARY, token => token)
  const block = (layer: number, { q, k, v, o }: Projections): readonly (readonly [string, Parameter])[] => {
    const name = `model.layers.${layer}`
    return [
      [`${name}.self_attn.q_proj.weight`, matrix(2 * SIZE, HIDDEN, q)],
      [`${name}.self_attn.k_proj.weight`, matrix(SIZE, HIDDEN, k)],
      [`${name}.self_attn.v_proj.weight`, matrix(SIZE, HIDDEN, v)],
      [`${name}.self_attn.o_proj.weight`, matrix(HIDDEN, 2 * SIZE, o)],
      [`${name}.mlp.gate_proj.weight`, matrix(4, HIDDEN, [])],
      [`${name}.mlp.up_proj.weight`, matrix(4, HIDDEN, [])],
      [`${name}.mlp.down_proj.weight`, matrix(HIDDEN, 4, [])],
      ...['input_layernorm', 'post_attention_layernorm'].map(norm => [`${name}.${norm}.weight`, ones()] as const),
    ]
  }
  const ones = (): Parameter => fromFloat32(new Float32Array(HIDDEN).fill(1), 'f32', [HIDDEN])
  const parameters = Object.fromEntries([
    ['model.embed_tokens.weight', matrix(VOCABULARY, HIDDEN, tokens.flatMap(token => [...code(token, 0), [token, ONE, 1] as const]))], // prettier-ignore
    ...block(0, looksBack()),
    ...block(1, findsKey(dial)),
    ['model.norm.weight', ones()],
    [
      'lm_head.weight',
      matrix(
        VOCABULARY,
        HIDDEN,
        tokens.flatMap(token => code(token, 64, 3)),
      ),
    ],
  ])
  return llamaModel(CONFIG, memoryStore(parameters))
}

/** Of a list, so many without one twice, in the order drawn. */
const drawn = (rng: Rng, from: readonly number[], count: number): readonly number[] => {
  const left = [...from]
  return range(count, () => left.splice(rng.integer(left.length), 1)[0])
}

/** A text of `length` tokens with so many facts at places of chance, and a question about one of them. Throws BAD_OPTION. */
export const recallPrompt = (
  rng: Rng,
  { length = 512, facts = 16 }: { readonly length?: number; readonly facts?: number } = {},
): RecallPrompt => {
  if (!(facts >= 1 && facts <= KEYS.count && length >= 2 * facts + 3 && length <= CONTEXT))
    throw new CompressionError(
      'BAD_OPTION',
      `recallPrompt got ${facts} facts in ${length} tokens.`,
      `Pass 1 to ${KEYS.count} facts, and ${2 * facts + 3} to ${CONTEXT} tokens for as many.`,
      { facts, length },
    )
  const ids = range(length, i => (i === 0 ? 0 : FILLERS.from + rng.integer(FILLERS.count))) as number[]
  const keys = drawn(rng, range(KEYS.count, i => KEYS.from + i), facts) // prettier-ignore
  const values = keys.map(() => VALUES.from + rng.integer(VALUES.count))
  const places = drawn(rng, range(Math.floor((length - 2) / 2), i => 2 * i + 1), facts) // prettier-ignore
  places.forEach((place, i) => ids.splice(place, 2, keys[i], values[i]))
  const asked = rng.integer(facts)
  ids[length - 1] = keys[asked]
  return { ids, answer: values[asked] }
}
