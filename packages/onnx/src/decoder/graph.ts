import type { Site } from '@tersor/core'
import type { LlamaConfig } from '@tersor/models/llama-config'
import {
  blockNames,
  EMBEDDING,
  FINAL_NORM,
  headSite,
  partsOf,
  type FeedForwardSites,
  type GatedSites,
} from '@tersor/models/llama-parameters'
import { frequenciesOf } from '@tersor/models/rope'
import { FUSED } from '../cache/attention-nodes.js'
import { MICROSOFT } from '../file.js'
import { giveOut, linear as linearIn, type GraphEnds, type Values } from '../folder/network.js'
import { ATTENDED, endsOf, IDS, POSITIONS, type DecoderForm } from './ends.js'
import { HIDDEN_FROM_SIGHT, type Operators } from '../folder/operators.js'

/** What all blocks use. */
interface Shared {
  readonly config: LlamaConfig
  readonly ops: Operators
  readonly values: Values
  /** (batch, 1, tokens, size / 2), or of all positions, (context, size / 2), for fused attention. */
  readonly rotation: { readonly cos: string; readonly sin: string }
  /** What is added to scores (batch, key heads, groups, tokens, keys), by the window of the layer. */
  readonly mask: (window: number | null) => string
  /** Extents that are known when the graph runs. */
  readonly tokens: string
  readonly keys: string
  /** Of ONNX Runtime's own attention: how many entries each text holds, less one, and how many the longest does; absent for plain operators. */
  readonly fused?: { readonly lengths: string; readonly total: string }
}

const linear = ({ ops, values }: Shared, x: string, site: Site, bias: boolean): string => linearIn(ops, values, x, site, bias)

/** The products of sites with one input: one for all, side by side, or one for each. */
const project = (shared: Shared, x: string, sites: readonly Site[], sizes: readonly number[], bias: boolean): readonly string[] =>
  sites.length === 1 ? shared.ops.split(linear(shared, x, sites[0], bias), sizes, -1) : sites.map(site => linear(shared, x, site, bias))

const normalise = ({ ops, values, config }: Shared, x: string, name: string | undefined): string => {
  if (name === undefined) return x
  const weight = values.vector(name)
  const shifted = config.normOffset === 0 ? weight : ops.add(weight, ops.graph.constant(ops.float, [], [config.normOffset]))
  return ops.rmsNorm(x, shifted, config.epsilon)
}

/** Each pair (xᵢ, xᵢ₊ₕ) turned by its angle; x: (batch, heads, tokens, size). */
const rotate = ({ ops, config, rotation: { cos, sin } }: Shared, x: string): string => {
  const half = config.headSize / 2
  const [a, b] = ops.split(x, [half, half], -1)
  const first = ops.graph.op('Sub', [ops.multiply(a, cos), ops.multiply(b, sin)])
  return ops.concat([first, ops.add(ops.multiply(b, cos), ops.multiply(a, sin))], -1)
}

/** softmax(q · kᵀ + mask) · v, query heads that share keys as rows of one product; q: (batch, heads, tokens, size). */
const attend = ({ config, ops, mask, tokens, keys }: Shared, q: string, k: string, v: string, layer: number): string => {
  const { headSize } = config
  const { heads, keyValueHeads } = config.widths[layer]
  const rows = ops.reshape(ops.scale(q, config.scoreScale), [0, keyValueHeads, -1, headSize]) // (batch, key heads, groups · tokens, size)
  const scores = ops.softCap(ops.matMul(rows, ops.transpose(k, [0, 1, 3, 2])), config.scoreCap)
  const grid = ops.reshapeTo(scores, [0, keyValueHeads, heads / keyValueHeads, tokens, keys])
  const shares = ops.graph.op('Softmax', [ops.add(grid, mask(config.windows[layer]))], { attributes: { axis: -1 } })
  const mixed = ops.matMul(ops.reshapeTo(shares, [0, keyValueHeads, -1, keys]), v)
  const byToken = ops.transpose(ops.reshape(mixed, [0, heads, -1, headSize]), [0, 2, 1, 3]) // (batch, tokens, heads, size)
  return ops.reshape(byToken, [0, 0, heads * headSize])
}

/** All of it as ONNX Runtime's own operator, which turns keys, hides and mixes itself; q, k, v: (batch, tokens, heads · size). */
const attendFused = (shared: Shared, layer: number, [q, k, v]: readonly string[]): string => {
  const { config, ops, rotation, fused } = shared
  const past = (part: string): string => `past_key_values.${layer}.${part}`
  const rotated = config.rotated[layer]
  const inputs = [q, k, v, past('key'), past('value'), fused!.lengths, fused!.total, ...(rotated ? [rotation.cos, rotation.sin] : [])]
  const attributes = {
    ...{ num_heads: config.widths[layer].heads, kv_num_heads: config.widths[layer].keyValueHeads, scale: { float: config.scoreScale } },
    ...(rotated ? { do_rotary: 1 } : {}),
    ...(config.scoreCap === null ? {} : { softcap: { float: config.scoreCap } }),
    ...(config.windows[layer] === null ? {} : { local_window_size: config.windows[layer] }),
  }
  const [mixed, ...present] = ops.graph.ops(FUSED, inputs, { domain: MICROSOFT, attributes, outputs: 3 })
  present.forEach((value, i) => ops.graph.rename(value, `present.${layer}.${i === 0 ? 'key' : 'value'}`))
  return mixed
}

const attention = (shared: Shared, x: string, layer: number): string => {
  const { config, ops } = shared
  const { headSize, biases } = config
  const { heads, keyValueHeads } = config.widths[layer]
  const { inputs, output, norms } = blockNames(layer, config).attention
  const sizes = [heads, keyValueHeads, keyValueHeads].map(count => count * headSize)
  const [query, key, value] = project(shared, x, inputs, sizes, biases.queryKeyValue)
  const split = (rows: string, count: number, norm?: string): string => {
    const each = ops.reshape(rows, [0, 0, count, headSize])
    const normed = norm === undefined ? each : ops.rmsNorm(each, shared.values.vector(norm), config.epsilon)
    return ops.transpose(normed, [0, 2, 1, 3]) // (batch, heads, tokens, size)
  }
  if (shared.fused) {
    const rows = (t: string, count: number, norm?: string): string =>
      norm === undefined ? t : ops.reshape(ops.transpose(split(t, count, norm), [0, 2, 1, 3]), [0, 0, count * headSize])
    const inputs = [rows(query, heads, norms?.query), rows(key, keyValueHeads, norms?.key), value]
    return linear(shared, attendFused(shared, layer, inputs), output, biases.output)
  }
  const turn = (t: string): string => (config.rotated[layer] ? rotate(shared, t) : t)
  const remembered = (part: 'key' | 'value', fresh: string): string => {
    const all = ops.concat([`past_key_values.${layer}.${part}`, fresh], 2)
    ops.graph.rename(all, `present.${layer}.${part}`)
    return `present.${layer}.${part}`
  }
  const q = turn(split(query, heads, norms?.query))
  const k = remembered('key', turn(split(key, keyValueHeads, norms?.key)))
  const v = remembered('value', split(value, keyValueHeads))
  return linear(shared, attend(shared, q, k, v, layer), output, biases.output)
}

const gated = (shared: Shared, x: string, { inputs, down }: GatedSites, width: number): string => {
  const { config, ops } = shared
  const [gate, up] = project(shared, x, inputs, [width, width], config.biases.feedForward)
  return linear(shared, ops.multiply(ops.activation(config.activation, gate), up), down, config.biases.feedForward)
}

/** Σ share · expert(x) over the experts that the router chooses; each runs over all tokens. */
const mixture = (shared: Shared, x: string, sites: Extract<FeedForwardSites, { router: string }>): string => {
  const { ops } = shared
  const { router, experts, chosen } = sites
  const all = ops.graph.op('Softmax', [shared.values.matrix(router).product(ops.graph, x)], { attributes: { axis: -1 } })
  const [top, indices] = ops.graph.ops('TopK', [all, ops.graph.int64([chosen.perToken])], { attributes: { axis: -1 }, outputs: 2 })
  const sum = ops.graph.op('ReduceSum', [top, ops.graph.int64([-1])])
  const shares = chosen.normalised ? ops.graph.op('Div', [top, sum]) : top
  const spread = ops.graph.op('ScatterElements', [ops.scale(all, 0), indices, shares], { attributes: { axis: -1 } }) // (batch, tokens, experts)
  const outputs = experts.map((expert, index) => {
    const share = ops.graph.op('Gather', [spread, ops.graph.int64([index])], { attributes: { axis: -1 } })
    return ops.multiply(gated(shared, x, expert, chosen.feedForward), share)
  })
  return outputs.reduce((a, b) => ops.add(a, b))
}

const block = (shared: Shared, x: string, layer: number): string => {
  const { config, ops } = shared
  const names = blockNames(layer, config)
  const { attends, feeds } = partsOf(layer, config)
  const attend = (rows: string): string => {
    const mixed = attention(shared, normalise(shared, rows, names.attentionNorm), layer)
    return ops.add(rows, normalise(shared, mixed, names.attentionAfter))
  }
  const feed = (rows: string): string => {
    const inner = normalise(shared, rows, names.feedForwardNorm)
    const sites = names.feedForward
    const fed = 'router' in sites ? mixture(shared, inner, sites) : gated(shared, inner, sites, config.widths[layer].feedForward)
    return ops.add(rows, normalise(shared, fed, names.feedForwardAfter))
  }
  const attended = attends ? attend(x) : x
  return feeds ? feed(attended) : attended
}

/** The angles of the positions given. */
const rotationOf = ({ graph, float, ...ops }: Operators, { rope, headSize }: LlamaConfig): Shared['rotation'] => {
  const frequencies = graph.constant('f32', [headSize / 2], [...frequenciesOf(rope, headSize)])
  const angles = graph.op('Mul', [ops.unsqueeze(graph.cast(POSITIONS, 'f32'), [1, 3]), frequencies]) // (batch, 1, tokens, size / 2)
  const turned = (type: string): string => (float === 'f32' ? graph.op(type, [angles]) : graph.cast(graph.op(type, [angles]), float))
  return { cos: turned('Cos'), sin: turned('Sin') }
}

/** The angles of all positions of the context. */
const rotationTable = ({ graph, float }: Operators, { rope, headSize, contextLength }: LlamaConfig): Shared['rotation'] => {
  const frequencies = frequenciesOf(rope, headSize)
  const table = (of: (angle: number) => number): string => {
    const values = Array.from({ length: contextLength }, (_, position) =>
      [...frequencies].map(frequency => of(Math.fround(position * frequency))),
    )
    return graph.constant(float, [contextLength, headSize / 2], values.flat())
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

/** How many entries there are with the new ones, as ONNX Runtime's own attention asks for them. */
const lengthsOf = ({ graph }: Operators, keys: string): NonNullable<Shared['fused']> => {
  const attended = graph.op('ReduceSum', [ATTENDED, graph.int64([1])], { attributes: { keepdims: 0 } }) // (batch)
  const lengths = graph.cast(graph.op('Sub', [attended, graph.constant('i64', [], [1])]), 'i32')
  return { lengths, total: graph.cast(graph.op('Squeeze', [keys]), 'i32') }
}

/** Hides later keys, those before the window, and padding; built once for each window. */
const masks = (ops: Operators, tokens: string, keys: string): Shared['mask'] => {
  const { graph, float } = ops
  const [zero, one] = [graph.constant('i64', [], [0]), graph.constant('i64', [], [1])]
  const scalar = (x: string) => graph.op('Squeeze', [x])
  const places = graph.op('Range', [zero, scalar(keys), one]) // (keys)
  const now = ops.unsqueeze(graph.op('Range', [scalar(graph.op('Sub', [keys, tokens])), scalar(keys), one]), [1]) // (tokens, 1)
  const attended = ops.unsqueeze(graph.op('Greater', [ATTENDED, zero]), [1, 2, 3]) // (batch, 1, 1, 1, keys)
  const earlier = graph.op('And', [graph.op('LessOrEqual', [places, now]), attended])
  const number = (value: number): string => graph.constant(float, [], [value])
  const made = new Map<number | null, string>()
  return window => {
    const known = made.get(window)
    if (known) return known
    const after = (span: number) => graph.op('Greater', [places, graph.op('Sub', [now, graph.constant('i64', [], [span])])])
    const seen = window === null ? earlier : graph.op('And', [earlier, after(window)])
    const mask = graph.op('Where', [seen, number(0), number(HIDDEN_FROM_SIGHT)])
    made.set(window, mask)
    return mask
  }
}

/** Builds the network: token ids, mask, positions and past keys and values in; logits, or without a head its hidden states, and present ones out. */
export const decoderGraph = (config: LlamaConfig, ops: Operators, values: Values, how: DecoderForm): GraphEnds => {
  const { graph } = ops
  const { head, attention: form = 'plain' } = how
  const [tokens, keys] = [ops.extent(IDS, 1), ops.extent(ATTENDED, 1)]
  const shared: Shared = {
    ...{ config, ops, values, tokens, keys },
    ...(form === 'fused'
      ? { rotation: rotationTable(ops, config), mask: () => '', fused: lengthsOf(ops, keys) }
      : { rotation: rotationOf(ops, config), mask: masks(ops, tokens, keys) }),
  }
  const embedding = values.matrix(EMBEDDING.weight).value!(graph)
  let x = ops.scale(graph.op('Gather', [embedding, IDS]), config.embeddingScale)
  for (let layer = 0; layer < config.layers; layer++) x = block(shared, x, layer)
  const last = normalise(shared, x, FINAL_NORM)
  if (head) giveOut(ops, ops.softCap(linear(shared, last, headSite(config), false), config.logitCap), 'logits')
  else giveOut(ops, last, 'last_hidden_state')
  return endsOf(config, ops.float, { head, attention: form })
}
