import * as tf from '@tensorflow/tfjs-core'
import type { AttentionFacts } from '@tersor/core'
import { sharesOf } from '@tersor/core/internal/cache/features'
import { CompressionError } from '@tersor/tensor'
import type { LoadedGraph } from '../model.js'
import { DOORS } from './edit.js'
import { floatsOf, floatTensor, wholeTensor } from './graph-tensors.js'
import type { GraphLayer } from './layers.js'

/** Tokens of the text that a graph is asked about: any will do. */
const TOKENS = 6
/** Shares of halves differ by less. */
const CLOSE = 5e-3

/** What a layer did with a short text. */
interface Seen {
  /** (heads, tokens, size), as shown. */
  readonly queries: Float32Array
  /** (heads, tokens, tokens) */
  readonly shares: Float32Array
  /** (key heads, tokens, size) */
  readonly keys: Float32Array
}

export interface Probed {
  /** How many axes scores have. */
  readonly rank: number
  /** What queries are multiplied by so that the facts hold for them. */
  readonly factor: number
}

const dot = (a: Float32Array, b: Float32Array, from: number, at: number, size: number): number => {
  let sum = 0
  for (let i = 0; i < size; i++) sum += a[from + i] * b[at + i]
  return sum
}

/** The factor between products of shown queries with keys and the logits that the last token's shares tell, of the pair that tells it best. */
const factorOf = ({ queries, shares, keys }: Seen, { heads, keyHeads, size, cap = null }: AttentionFacts): number => {
  let best = { spread: 0, a: 0, b: 0, logits: 0 }
  for (let head = 0; head < heads; head++) {
    const query = (head * TOKENS + TOKENS - 1) * size
    const own = Math.floor((head * keyHeads) / heads) * TOKENS * size
    const row = (head * TOKENS + TOKENS - 1) * TOKENS
    for (let i = 1; i < TOKENS; i++) {
      const [a, b] = [dot(queries, keys, query, own, size), dot(queries, keys, query, own + i * size, size)]
      const logits = Math.log(shares[row] / shares[row + i])
      if (Number.isFinite(logits) && Math.abs(a - b) > best.spread) best = { spread: Math.abs(a - b), a, b, logits }
    }
  }
  const { a, b, logits } = best
  let factor = logits / (a - b)
  const capped = (x: number): number => (cap === null ? x : cap * Math.tanh(x / cap))
  for (let round = 0; cap !== null && round < 30; round++) factor *= logits / (capped(factor * a) - capped(factor * b))
  return factor
}

/** Whether the facts give the shares that the graph gave, of queries times a factor. */
const explains = ({ queries, shares, keys }: Seen, facts: AttentionFacts, factor: number): boolean =>
  tf.tidy(() => {
    const { heads, keyHeads, size } = facts
    const values = tf.tensor4d(queries.map(value => value * factor), [keyHeads, heads / keyHeads, TOKENS, size]) // prettier-ignore
    const positions = Int32Array.from({ length: TOKENS }, (_, i) => i)
    const entries = tf.tensor3d(keys, [keyHeads, TOKENS, size])
    const ours = sharesOf({ values, positions }, { keys: entries, values: entries }, facts).dataSync()
    return ours.every((share, i) => Math.abs(share - shares[i]) < CLOSE)
  })

const unexplained = (index: number): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `Layer ${index} of the graph attends in a way that its config and operators do not tell.`,
    'Choose a policy that needs no attention, such as streaming-llm or key-norm, or generate from the folder that the graph was made of.',
    { layer: index },
  )

/** Runs a short text through an edited graph of plain operators, and finds how its shown queries make its shares; throws UNSUPPORTED. */
export const probePlain = (
  { native, session, constants }: LoadedGraph,
  inputs: ReadonlySet<string>,
  layers: readonly GraphLayer[],
  facts: readonly AttentionFacts[],
): readonly Probed[] => {
  const whole = { input_ids: (i: number) => i, attention_mask: () => 1, position_ids: (i: number) => i }
  const results = session.fetch(
    {
      ...constants,
      ...Object.fromEntries(
        Object.entries(whole).flatMap(([name, at]) => (inputs.has(name) ? [[name, wholeTensor(native, TOKENS, at)]] : [])),
      ),
      ...Object.fromEntries(
        layers.flatMap(({ index, keys, values, dtype, keyHeads, size }) => [
          ...[keys, values].map(({ past }) => [past, floatTensor(native, dtype, new Float32Array(0), [1, keyHeads, 0, size])] as const),
          [DOORS.bias(index), native.typed('float32', new Float32Array(1), [1])] as const,
        ]),
      ),
    },
    layers.flatMap(({ index, keys }) => [keys.present, DOORS.queries(index), DOORS.shares(index)]),
  )
  return layers.map(({ index, keys }, i) => {
    const shares = results[DOORS.shares(index)]
    const seen = { queries: floatsOf(results[DOORS.queries(index)]), shares: floatsOf(shares), keys: floatsOf(results[keys.present]) }
    const measured = factorOf(seen, facts[i])
    if (seen.shares.length !== facts[i].heads * TOKENS * TOKENS || !explains(seen, { ...facts[i], scale: measured }, 1))
      throw unexplained(index)
    return { rank: shares.dims.length, factor: measured / facts[i].scale }
  })
}
