import { floatOf, numberOf, numbersOf, textOf } from './attributes.js'
import { walkOf, type Geometry } from './convolutions.js'
import { outAxisOfEinsum } from './einsum.js'
import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'
import { freeName } from '@tersor/formats/internal/files/free-name'
import { innerGraphs, namesInside } from './subgraphs.js'
import type { OnnxTensor } from './tensors.js'

/** How a node meets a constant weight. */
export interface Meeting {
  readonly kind: 'linear' | 'conv2d' | 'embedding'
  /** Where the outputs stand in the weight: 1 in (in, out). */
  readonly outAxis: number
  /** Of a convolution whose patches can be unfolded: how it walks its input, (batch, channels, height, width) or (batch, channels, width). */
  readonly geometry?: Geometry
  /** Whether what it multiplies stands as columns, (…, in, rows). */
  readonly columns?: boolean
  /** Whether the node is x · W alone, which another way to multiply can take the place of; a sum with a bias may follow. */
  readonly isProduct?: boolean
  /** Why methods cannot be shown what it multiplies. */
  readonly unseen?: string
}

/** A node that multiplies by a constant weight. */
export interface WeightUse extends Meeting {
  /** What its site is called: its node, or what that makes where it has no name; no two are called alike. */
  readonly name: string
  readonly node: NodeProto
  /** Which of the node's inputs the weight is. */
  readonly slot: number
  readonly weight: OnnxTensor
  /** The value that it multiplies. */
  readonly input: string
}

/** How one input of an operator meets a weight of a shape; undefined where it is no weight there. */
type Describe = (node: NodeProto, weight: Pick<OnnxTensor, 'shape'>) => Meeting | undefined

const isTrue = (node: NodeProto, name: string): boolean => numberOf(node, name, 0) === 1

const convolution: Describe = (node, { shape }) => {
  if (shape.length < 3) return undefined
  const walk = walkOf(node, shape)
  return { kind: 'conv2d', outAxis: 0, ...(typeof walk === 'string' ? { unseen: walk } : { geometry: walk }) }
}

const transposedConvolution: Describe = (_node, { shape }) =>
  shape.length < 3 ? undefined : { kind: 'conv2d', outAxis: 1, unseen: 'it is transposed' }

/** Batches of matrices share the scales of their outputs. */
const stacked = (shape: readonly number[]): Meeting => ({
  kind: 'linear',
  outAxis: shape.length - 1,
  unseen: 'each of its matrices sees inputs of its own',
})

const matMul: Describe = (_node, { shape }) => {
  if (shape.length < 2) return undefined
  return shape.length === 2 ? { kind: 'linear', outAxis: 1, isProduct: true } : stacked(shape)
}

const matMulFirst: Describe = (_node, { shape }) => (shape.length === 2 ? { kind: 'linear', outAxis: 0, columns: true } : undefined)

/** x · W of the operators that may transpose and scale either. */
const general =
  (isPlain: (node: NodeProto) => boolean): Describe =>
  (node, { shape }) => {
    if (shape.length !== 2) return undefined
    const columns = isTrue(node, 'transA')
    return {
      ...{ kind: 'linear', outAxis: isTrue(node, 'transB') ? 0 : 1 },
      ...(columns ? { columns } : { isProduct: isPlain(node) }),
    }
  }

/** W · x, whose inputs stand as rows where x is transposed. */
const generalFirst: Describe = (node, { shape }) => {
  if (shape.length !== 2) return undefined
  return { kind: 'linear', outAxis: isTrue(node, 'transA') ? 1 : 0, ...(isTrue(node, 'transB') ? {} : { columns: true }) }
}

const isUnscaled = (node: NodeProto): boolean => ['alpha', 'beta'].every(name => floatOf(node, name, 1) === 1)

/** Those that move batches beside the inner axis are left to themselves. */
const unbatched =
  (describe: Describe): Describe =>
  (node, weight) =>
    isTrue(node, 'transBatchA') || isTrue(node, 'transBatchB') ? undefined : describe(node, weight)

const einsum: Describe = (node, { shape }) => {
  const outAxis = shape.length === 2 ? outAxisOfEinsum(textOf(node, 'equation')) : undefined
  return outAxis === undefined ? undefined : { kind: 'linear', outAxis, isProduct: true }
}

/** (directions, gates · hidden, in): a scale for each gate's row. */
const recurrent: Describe = (_node, { shape }) =>
  shape.length === 3 ? { kind: 'linear', outAxis: 1, unseen: 'it is a step of a recurrence' } : undefined

/** The same over the sequence itself, (…, in), which is known before the first step; two directions share no statistics. */
const overSequence: Describe = (node, weight) => {
  const meeting = recurrent(node, weight)
  return meeting && weight.shape[0] === 1 ? { kind: 'linear', outAxis: 1 } : meeting
}

const table: Describe = (node, { shape }) =>
  shape.length === 2 && numberOf(node, 'axis', 0) === 0 ? { kind: 'embedding', outAxis: 0, unseen: 'rows are looked up in it' } : undefined

/** x · W + b, of which the rest of the operator makes something else. */
const projection: Describe = (_node, { shape }) => (shape.length === 2 ? { kind: 'linear', outAxis: 1 } : undefined)

type Slots = Readonly<Record<number, Describe>>

const RECURRENT: Slots = { 1: overSequence, 2: recurrent }

/** Inputs of operators that are weights which methods can compress, by domain and operator. */
const USES: Readonly<Record<string, Slots>> = {
  ':MatMul': { 1: matMul, 0: matMulFirst },
  ':Gemm': { 1: general(isUnscaled), 0: generalFirst },
  ':Conv': { 1: convolution },
  ':ConvTranspose': { 1: transposedConvolution },
  ':Einsum': { 1: einsum },
  ':LSTM': RECURRENT,
  ':GRU': RECURRENT,
  ':RNN': RECURRENT,
  ':Gather': { 0: table },
  'com.microsoft:FusedMatMul': { 1: unbatched(general(isUnscaled)), 0: unbatched(generalFirst) },
  'com.microsoft:FusedGemm': { 1: general(() => false), 0: generalFirst },
  'com.microsoft:FusedConv': { 1: convolution },
  'com.microsoft:Attention': { 1: projection },
}

/** Operators whose inputs are weights: those that become sites, by "domain:operator". */
export const SITE_OPERATORS: readonly string[] = Object.freeze(Object.keys(USES))

/** Where the value stands that the weight in a slot meets. */
export const inputSlot = (slot: number): 0 | 1 => (slot === 0 ? 1 : 0)

const FLOATS: readonly (string | undefined)[] = ['f32', 'f16']

/** Gives names once each: another use of one gets a number. */
const namer = (): ((wanted: string) => string) => {
  const taken = new Set<string>()
  return wanted => {
    const name = freeName(wanted, taken)
    taken.add(name)
    return name
  }
}

/** Nodes of a graph and of those inside of its nodes, in order. */
const allNodes = ({ node }: GraphProto, inside = false): readonly (readonly [NodeProto, boolean])[] =>
  node.flatMap(each => [[each, inside] as const, ...innerGraphs(each).flatMap(inner => allNodes(inner, true))])

const INSIDE = 'it runs inside of another node'

/** A constant weight as a node sees it: as it is, or transposed by a node between. */
interface Seen {
  readonly weight: OnnxTensor
  readonly turned: boolean
}

/** Weights by the names of the values that they are, those of nodes that transpose a matrix which others use as it is among them. */
const seenWeights = ({ node }: GraphProto, tensors: readonly OnnxTensor[]): ReadonlyMap<string, Seen> => {
  const seen = new Map<string, Seen>()
  for (const weight of tensors)
    if (FLOATS.includes(weight.dtype) && !weight.shape.includes(0)) seen.set(weight.name, { weight, turned: false })
  for (const each of node) {
    const from = each.domain === '' && each.opType === 'Transpose' ? seen.get(each.input[0]) : undefined
    const order = numbersOf(each, 'perm') ?? [1, 0]
    if (from?.weight.shape.length === 2 && order[0] === 1) seen.set(each.output[0], { ...from, turned: !from.turned })
  }
  return seen
}

/** A matrix from its other side: it cannot be replaced where it stands. */
const fromOtherSide = (meeting: Meeting | undefined): Meeting | undefined =>
  meeting && { ...meeting, outAxis: 1 - meeting.outAxis, isProduct: false }

/** The weights that a node meets; of two of them that meet each other, the second. */
const meetings = (node: NodeProto, seen: ReadonlyMap<string, Seen>) => {
  const slots = USES[`${node.domain}:${node.opType}`] as Slots | undefined
  const found = Object.entries(slots ?? {}).flatMap(([key, describe]) => {
    const each = seen.get(node.input[Number(key)])
    if (!each) return []
    const { weight, turned } = each
    const meeting = turned ? fromOtherSide(describe(node, { shape: [...weight.shape].reverse() })) : describe(node, weight)
    return meeting ? [{ slot: Number(key), weight, meeting }] : []
  })
  const meetEachOther = found.some(({ slot }) => slot === 0) && found.some(({ slot }) => slot === 1)
  return meetEachOther ? found.filter(({ slot }) => slot === 1) : found
}

/** The nodes of a graph that multiply by an initializer, in order; those of the graphs inside of If, Loop and Scan among them. */
export const weightUses = (graph: GraphProto, tensors: readonly OnnxTensor[]): readonly WeightUse[] => {
  const seen = seenWeights(graph, tensors)
  const named = namer()
  return allNodes(graph).flatMap(([node, inside]) =>
    meetings(node, seen).map(({ slot, weight, meeting }) => ({
      ...{ name: named(node.name || node.output[0] || node.opType), node, slot, weight, input: node.input[inputSlot(slot)] ?? '' },
      ...meeting,
      ...(inside ? { isProduct: false, unseen: INSIDE } : {}),
    })),
  )
}

/**
 * Weights that every node multiplies by alike, with the axis of their outputs: only there can another product take the place of all of them.
 * A weight that is asked for in any other way, or from both sides, is none of them.
 */
export const replaceableWeights = ({ node, output }: GraphProto, uses: readonly WeightUse[]): ReadonlyMap<string, number> => {
  const asked = new Map<string, number>()
  const names = [...output.map(({ name }) => name), ...node.flatMap(each => [...each.input, ...namesInside(each)])]
  for (const name of names) asked.set(name, (asked.get(name) ?? 0) + 1)
  const byWeight = new Map<string, WeightUse[]>()
  for (const use of uses) byWeight.set(use.weight.name, [...(byWeight.get(use.weight.name) ?? []), use])
  return new Map(
    [...byWeight].flatMap(([name, all]) => {
      const [{ outAxis }] = all
      const agree = all.every(use => use.isProduct && use.outAxis === outAxis) && asked.get(name) === all.length
      return agree ? [[name, outAxis] as const] : []
    }),
  )
}
