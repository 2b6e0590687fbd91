import type { GraphProto, NodeProto } from '../file.js'
import type { GraphLayer } from './layers.js'

/** Where a layer attends: one node that does it all, or a product, its softmax and what lies between. */
export type AttentionNodes =
  | { readonly kind: 'fused'; readonly node: NodeProto }
  | { readonly kind: 'plain'; readonly product: NodeProto; readonly softmax: NodeProto }

/** The operator that takes past keys and values and gives them back grown. */
export const FUSED = 'GroupQueryAttention'

/** What keys go through on their way to the product: their order, repeats for query heads, factors. */
const KEY_WAY: ReadonlySet<string> = new Set(['Transpose', 'Reshape', 'Unsqueeze', 'Expand', 'Tile', 'Mul', 'Div', 'Identity', 'Cast', 'Squeeze']) // prettier-ignore
/** What scores go through on their way to the softmax: factors, masks, soft caps. */
const SCORE_WAY: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div', 'Reshape', 'Where', 'Tanh', 'Cast', 'Identity', 'Clip', 'Max', 'Min']) // prettier-ignore

type Consumers = ReadonlyMap<string, readonly NodeProto[]>

const consumersOf = ({ node }: GraphProto): Consumers => {
  const consumers = new Map<string, NodeProto[]>()
  for (const each of node)
    for (const name of new Set(each.input)) {
      const known = consumers.get(name)
      if (known) known.push(each)
      else consumers.set(name, [each])
    }
  return consumers
}

/** The first node behind some values that is wanted, with what it takes of them, on ways of some operators only. */
const firstBehind = (
  values: readonly string[],
  consumers: Consumers,
  way: ReadonlySet<string>,
  isWanted: (node: NodeProto, value: string) => boolean,
): NodeProto | undefined => {
  const seen = new Set(values)
  const queue = [...seen]
  for (let value = queue.shift(); value !== undefined; value = queue.shift())
    for (const node of consumers.get(value) ?? []) {
      if (isWanted(node, value)) return node
      const isOnWay = way.has(node.opType) && (node.opType !== 'Reshape' || node.input[0] === value)
      if (!isOnWay || seen.has(node.output[0])) continue
      seen.add(node.output[0])
      queue.push(node.output[0])
    }
  return undefined
}

/** How each layer attends; undefined for one that does so in another way. */
export const attentionNodes = (graph: GraphProto, layers: readonly GraphLayer[]): readonly (AttentionNodes | undefined)[] => {
  const consumers = consumersOf(graph)
  const producers = new Map(graph.node.flatMap(node => node.output.map(name => [name, node] as const)))
  return layers.map(({ keys }) => {
    const maker = producers.get(keys.present)
    if (maker?.opType === FUSED && maker.input[3] === keys.past) return { kind: 'fused', node: maker }
    const grown = maker && (maker.opType === 'Identity' || maker.opType === 'Cast') ? [keys.present, maker.input[0]] : [keys.present]
    const product = firstBehind(grown, consumers, KEY_WAY, (node, value) => node.opType === 'MatMul' && node.input[1] === value)
    if (!product) return undefined
    const softmax = firstBehind([product.output[0]], consumers, SCORE_WAY, node => node.opType === 'Softmax')
    return softmax && { kind: 'plain', product, softmax }
  })
}
