import { numberOf } from '../../file/attributes.js'
import { hasUnits, join, merged, plain, protect, unitsOn, type Axes, type Axis } from '@tersor/models/internal/imported/couplings/axes'
import { reshaped } from '@tersor/models/internal/imported/couplings/reshaped'
import { apart, together } from '@tersor/models/internal/imported/couplings/side-by-side'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import type { Rule, Scope } from '../scope.js'

/** Says that attention looks with each of the units of an axis by itself. */
export const headsOn = (axis: Axis): void => unitsOn(axis).forEach(units => (units.heads = true))

/** Queries, keys and values of a fused node, as heads by heads: (…, key heads, groups, size). */
interface Parts {
  readonly heads: Axis
  readonly groups: Axis
  readonly size: Axis
}

const partsOf = (axis: Axis | undefined, heads: number, groups: number): Parts | undefined => {
  if (!axis?.extent || axis.extent % (heads * groups) !== 0) return undefined
  const made = reshaped([axis], [heads, groups, axis.extent / (heads * groups)])
  return made && { heads: made[0], groups: made[1], size: made[2] }
}

const last = (axes: Axes | undefined): Axis | undefined => axes?.at(-1)

/** Queries, keys and values side by side in one input, or in one each. */
const threeOf = (node: NodeProto, scope: Scope, heads: number, keyHeads: number): readonly (Axis | undefined)[] | undefined => {
  const [q, k, v] = node.input
  const query = scope.value(q)
  if (query?.length !== 3) return undefined
  if (k && v) return [last(query), ...[k, v].map(name => { const axes = scope.value(name); return axes?.length === 3 ? last(axes) : undefined })] // prettier-ignore
  const size = (query[2].extent ?? 0) / (heads + 2 * keyHeads)
  return apart(query[2], [heads * size, keyHeads * size, keyHeads * size])
}

/** What an attention node takes besides queries, keys and values, by the number of its input. */
interface Others {
  readonly bias?: number
  readonly scores?: number
  readonly past: number
  readonly refused: readonly number[]
}

/** Attention in one node: heads go with those of keys and values, before and now; sizes of heads stay. */
const attended = (node: NodeProto, scope: Scope, heads: number, keyHeads: number, { bias, scores, past, refused }: Others) => {
  const unknown = refused.find(each => node.input[each])
  if (unknown !== undefined) return `nobody says what its input ${unknown} holds of heads`
  if (heads < 1 || keyHeads < 1 || heads % keyHeads !== 0) return 'its heads are in no groups'
  const axes = threeOf(node, scope, heads, keyHeads)
  const parts = axes?.map((axis, i) => partsOf(axis, keyHeads, i === 0 ? heads / keyHeads : 1))
  if (!parts?.every(each => each !== undefined)) return 'its heads have no known axes'
  if (bias !== undefined && node.input[bias]) scope.bind(node.input[bias], 0, together(axes as Axes, node.opType), 'writes')
  const [query, key, value] = parts
  const added = scores === undefined || !node.input[scores] ? undefined : scope.value(node.input[scores])
  if (scores !== undefined && node.input[scores] && added?.at(-3)?.extent !== 1) return 'what it adds to scores may be of each head'
  for (const { size } of parts) protect(size, `${node.opType} sums over them`)
  const pasts = [past, past + 1].map(each => (node.input[each] ? scope.value(node.input[each])?.[1] : undefined))
  const all = [key.heads, value.heads, ...pasts.filter(each => each !== undefined)].reduce((a, b) => join(a, b, node.opType), query.heads)
  headsOn(all)
  const outer = scope.value(node.input[0])!.slice(0, 2)
  const out = [...outer, merged([query.heads, query.groups, value.size], node.opType)]
  const present = (size: Axis): Axes => [outer[0], hasUnits(all) ? all : plain(keyHeads), plain(), size]
  return [out, ...node.output.slice(1).map((_, i) => (i < 2 ? present((i === 0 ? key : value).size) : undefined))]
}

/** Query heads in groups of key heads: past keys and values are inputs 3 and 4. */
export const groupQueryAttention: Rule = (node, scope) => attended(node, scope, numberOf(node, 'num_heads', 0), numberOf(node, 'kv_num_heads', 0), { scores: 10, past: 3, refused: [11, 12, 13] }) // prettier-ignore

/** A key head for each query head: past keys and values are inputs 6 and 7. */
export const multiHeadAttention: Rule = (node, scope) => {
  const heads = numberOf(node, 'num_heads', 0)
  return attended(node, scope, heads, heads, { bias: 3, scores: 5, past: 6, refused: [8, 9] })
}

/** Positions turned in pairs of a head's channels, all heads alike; x: (batch, heads, tokens, size) or (batch, tokens, heads · size). */
export const rotaryEmbedding: Rule = (node, scope) => {
  const [x] = node.input
  const cos = node.input[node.domain === '' ? 1 : 2]
  const axes = scope.value(x)
  if (!axes) return 'its input has no known axes'
  const axis = axes[axes.length - 1]
  if (axes.length === 4) {
    protect(axis, `${node.opType} turns them in pairs`)
    return [axes]
  }
  const table = scope.value(cos)?.at(-1)?.extent
  const size = numberOf(node, 'rotary_embedding_dim', 0) > 0 || table === undefined ? undefined : 2 * table
  const heads = numberOf(node, 'num_heads', 0) || (axis.extent ?? 0) / (size ?? 0)
  const parts = Number.isInteger(heads) ? partsOf(axis, heads, 1) : undefined
  if (!parts) return 'its heads have no known axes'
  protect(parts.size, `${node.opType} turns them in pairs`)
  return [axes]
}
