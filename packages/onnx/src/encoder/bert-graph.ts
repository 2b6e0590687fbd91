import type { ValueInfo } from '../file.js'
import {
  bertParameters,
  CLASSIFIER,
  decoderSite,
  EMBEDDING_NORM,
  blockOf,
  POOLER,
  POSITIONS,
  TRANSFORM,
  TRANSFORM_NORM,
  TYPES,
  WORDS,
  type BertConfig,
} from '@tersor/models/internal/networks/bert-parameters'
import { biased } from '@tersor/models/internal/networks/fresh-weights'
import { biasOf } from '@tersor/models/internal/networks/layers'
import { giveOut, idsValue, linear as linearIn, type GraphEnds, type GraphNetwork, type Values } from '../folder/network.js'
import { HIDDEN_FROM_SIGHT, type Operators } from '../folder/operators.js'
import type { Site } from '@tersor/core'
import type { TextEncoder } from '@tersor/models/text-encoder'

/** What all parts of the network use. */
interface Shared {
  readonly config: BertConfig
  readonly ops: Operators
  readonly values: Values
}

const IDS = 'input_ids'
const ATTENDED = 'attention_mask'
const TYPE_IDS = 'token_type_ids'

const linear = ({ ops, values }: Shared, x: string, site: Site): string => linearIn(ops, values, x, site)

const normalise = ({ ops, values, config }: Shared, x: string, name: string): string =>
  ops.layerNorm(x, values.vector(`${name}.weight`), values.vector(`${name}.bias`), config.epsilon)

/** norm(words + positions + types); (batch, tokens) → (batch, tokens, hidden). */
const embedded = (shared: Shared): string => {
  const { ops, values } = shared
  const { graph } = ops
  const rows = (table: string, ids: string): string => graph.op('Gather', [values.matrix(table).value!(graph), ids])
  const count = graph.op('Squeeze', [ops.extent(IDS, 1)])
  const places = graph.op('Range', [graph.constant('i64', [], [0]), count, graph.constant('i64', [], [1])]) // (tokens)
  const sum = ops.add(ops.add(rows(WORDS.weight, IDS), rows(POSITIONS, places)), rows(TYPES, TYPE_IDS))
  return normalise(shared, sum, EMBEDDING_NORM)
}

/** What is added to scores (batch, heads, tokens, keys): padding is hidden. */
const maskOf = ({ graph, float, unsqueeze }: Operators): string => {
  const number = (value: number): string => graph.constant(float, [], [value])
  const attended = graph.op('Greater', [unsqueeze(ATTENDED, [1, 2]), graph.constant('i64', [], [0])]) // (batch, 1, 1, keys)
  return graph.op('Where', [attended, number(0), number(HIDDEN_FROM_SIGHT)])
}

/** softmax(q · kᵀ / √size + mask) · v over all heads; (batch, tokens, hidden) → (batch, tokens, hidden). */
const attention = (shared: Shared, x: string, layer: number, mask: string): string => {
  const { ops, config } = shared
  const { inputs, output, widths } = blockOf(layer, config)
  const { heads, size } = widths
  const [q, k, v] = inputs.map((site, index) => {
    const each = ops.reshape(linear(shared, x, site), [0, 0, heads, size])
    return ops.transpose(each, index === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3]) // (batch, heads, tokens, size), keys with their size before
  })
  const scores = ops.add(ops.matMul(ops.scale(q, 1 / Math.sqrt(size)), k), mask)
  const mixed = ops.matMul(ops.graph.op('Softmax', [scores], { attributes: { axis: -1 } }), v)
  return linear(shared, ops.reshape(ops.transpose(mixed, [0, 2, 1, 3]), [0, 0, heads * size]), output)
}

/** y = norm(x + attention(x)), then norm(y + feedForward(y)); norms stay where a block has only one of the two. */
const block = (shared: Shared, x: string, layer: number, mask: string): string => {
  const { ops, config } = shared
  const { up, down, norms, widths } = blockOf(layer, config)
  const attended = normalise(shared, widths.heads > 0 ? ops.add(x, attention(shared, x, layer, mask)) : x, norms[0])
  const feed = (): string => linear(shared, ops.activation(config.activation, linear(shared, attended, up)), down)
  return normalise(shared, widths.feedForward > 0 ? ops.add(attended, feed()) : attended, norms[1])
}

/** tanh(pooler(first token)); (batch, tokens, hidden) → (batch, hidden). */
const pooled = (shared: Shared, x: string): string => {
  const { graph } = shared.ops
  const first = graph.op('Gather', [x, graph.constant('i64', [], [0])], { attributes: { axis: 1 } })
  return graph.op('Tanh', [linear(shared, first, POOLER)])
}

const masked = (shared: Shared, x: string): string => {
  const { ops, config } = shared
  const inner = normalise(shared, ops.activation(config.activation, linear(shared, x, TRANSFORM)), TRANSFORM_NORM)
  return linear(shared, inner, decoderSite(config))
}

const BY_TOKEN = ['batch_size', 'sequence_length']
const floats = (name: string, shape: ValueInfo['shape']): ValueInfo => ({ name, dtype: 'f32', shape })

/** An output: what it is called, its shape, and how it comes of the last hidden states. */
interface Result {
  readonly info: (config: BertConfig) => ValueInfo
  readonly of: (shared: Shared, x: string) => string
}

const HIDDEN_STATES: Result = { info: ({ hidden }) => floats('last_hidden_state', [...BY_TOKEN, hidden]), of: (_shared, x) => x }
const POOLED: Result = { info: ({ hidden }) => floats('pooler_output', ['batch_size', hidden]), of: pooled }

const RESULTS: Readonly<Record<TextEncoder['task'], Result>> = {
  classification: {
    info: ({ classes }) => floats('logits', ['batch_size', classes.length]),
    of: (shared, x) => linear(shared, pooled(shared, x), CLASSIFIER),
  },
  'masked-language': { info: ({ vocabularySize }) => floats('logits', [...BY_TOKEN, vocabularySize]), of: masked },
  'hidden-states': HIDDEN_STATES,
}

const build = (shared: Shared, results: readonly Result[]): GraphEnds => {
  const { config, ops } = shared
  const mask = maskOf(ops)
  let x = embedded(shared)
  for (let layer = 0; layer < config.layers; layer++) x = block(shared, x, layer, mask)
  const outputs = results.map(({ info, of }) => {
    const value = info(config)
    giveOut(ops, of(shared, x), value.name)
    return value
  })
  return { inputs: [IDS, ATTENDED, TYPE_IDS].map(name => idsValue(name)), outputs }
}

const TABLES: readonly string[] = [WORDS.weight, POSITIONS, TYPES]

/**
 * A BERT as a graph: token ids, mask and token types in; logits, or without a head its hidden states, out, and beside these what a pooler
 * makes of the first token where one is among the names.
 */
export const bertNetwork = (config: BertConfig, names: readonly string[]): GraphNetwork => {
  const hasPooler = config.task === 'hidden-states' && [POOLER.weight, biasOf(POOLER)].every(name => names.includes(name))
  const all = [...bertParameters(config), ...(hasPooler ? biased(POOLER.name, [config.hidden, config.hidden]) : [])]
  const results = [RESULTS[config.task], ...(hasPooler ? [POOLED] : [])]
  return {
    architecture: 'bert',
    parameters: all.map(({ name, shape }) => ({ name, shape, table: TABLES.includes(name) })),
    remembers: false,
    build: (ops, values) => build({ config, ops, values }, results),
  }
}
