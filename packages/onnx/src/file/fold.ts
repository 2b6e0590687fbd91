import { clone } from '@bufbuild/protobuf'
import { dense, DTYPES, fromFloat32, sizeOf, toFloat32, type Dense, type Parameter, type ParameterInfo, type ParameterStore, type ReadOptions, type Shape } from '@tersor/tensor' // prettier-ignore
import { matrixOf } from '@tersor/core'
import { numberOf, numbersOf } from './attributes.js'
import { tensorHeader } from './build.js'
import { constantOf } from './constants.js'
import { dtypeOf } from './data-types.js'
import type { Onnx } from './open.js'
import { ModelProtoSchema, type GraphProto, type NodeProto } from './schema/onnx-ml_pb.js'
import { namesInside } from './subgraphs.js'
import { inlineBytes, tensorOf, type OnnxTensor } from './tensors.js'

/** What a node makes of a constant weight without computing anything. */
interface Moved {
  readonly shape: Shape
  readonly dtype: OnnxTensor['dtype']
  /** Which of the weight's parts of a tree it takes. */
  move(parameter: Parameter): Parameter
}

/** Whole numbers that are known before the graph runs. */
type Numbers = (name: string) => readonly number[] | undefined

/** Undefined where the node does something else, or something that a tree of codes does not follow. */
type Move = (node: NodeProto, weight: OnnxTensor, numbers: Numbers) => Moved | undefined

const isTree = ({ stored }: OnnxTensor): boolean => stored !== undefined && stored !== 'float'

/** Elements of a dense tensor with its axes in another order. */
const permuted = ({ dtype, shape, bytes }: Dense, order: readonly number[]): Dense => {
  const width = DTYPES[dtype].bits / 8
  const to = order.map(axis => shape[axis])
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)) * width)
  const steps = order.map(axis => strides[axis])
  const result = new Uint8Array(bytes.length)
  const place = new Array<number>(to.length).fill(0)
  for (let at = 0, from = 0; at < result.length; at += width) {
    for (let b = 0; b < width; b++) result[at + b] = bytes[from + b]
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += steps[axis]
      if (++place[axis] < to[axis]) break
      from -= steps[axis] * to[axis]
      place[axis] = 0
    }
  }
  return dense(dtype, to, result)
}

/** A matrix from its other side: codes stay as they are. */
const turned = (parameter: Parameter): Parameter => {
  if (parameter.kind === 'dense') return permuted(parameter, [1, 0])
  const [rows, columns] = parameter.shape
  if (parameter.codec.name !== 'matrix') return matrixOf(parameter, 1, [columns, rows])
  return matrixOf(parameter.parts.values, 1 - (parameter.attrs.outAxis as number), [columns, rows])
}

const transpose: Move = (node, weight) => {
  const { shape, dtype } = weight
  const order = numbersOf(node, 'perm') ?? shape.map((_, axis) => shape.length - 1 - axis)
  if (order.length !== shape.length || new Set(order).size !== shape.length || order.some(axis => shape[axis] === undefined))
    return undefined
  if (isTree(weight) && shape.length !== 2) return undefined
  const isTurn = shape.length === 2 && order[0] === 1
  return {
    shape: order.map(axis => shape[axis]),
    dtype,
    move: isTurn ? turned : parameter => (isTree(weight) ? parameter : permuted(parameter as Dense, order)),
  }
}

/** The same elements in another shape. */
const reshaped = (weight: OnnxTensor, shape: Shape | undefined): Moved | undefined => {
  if (isTree(weight) || !shape || shape.length < 2 || sizeOf(shape) !== sizeOf(weight.shape) || shape.some(extent => !(extent >= 0)))
    return undefined
  return { shape, dtype: weight.dtype, move: parameter => dense((parameter as Dense).dtype, shape, (parameter as Dense).bytes) }
}

const reshape: Move = (node, weight, numbers) => {
  const wanted = numbers(node.input[1])?.map((extent, axis) =>
    extent === 0 && numberOf(node, 'allowzero', 0) === 0 ? weight.shape[axis] : extent,
  )
  const known = sizeOf((wanted ?? []).filter(extent => extent !== -1))
  return reshaped(
    weight,
    wanted?.map(extent => (extent === -1 ? sizeOf(weight.shape) / known : extent)),
  )
}

const flatten: Move = (node, weight) => {
  const axis = numberOf(node, 'axis', 1)
  const at = axis < 0 ? axis + weight.shape.length : axis
  return reshaped(weight, [sizeOf(weight.shape.slice(0, at)), sizeOf(weight.shape.slice(at))])
}

/** Axes of an operator that had them as an attribute before version 13. */
const axesOf = (node: NodeProto, rank: number, numbers: Numbers): readonly number[] | undefined =>
  (numbersOf(node, 'axes') ?? numbers(node.input[1] ?? ''))?.map(axis => (axis < 0 ? axis + rank : axis))

const unsqueeze: Move = (node, weight, numbers) => {
  const count = (numbersOf(node, 'axes') ?? numbers(node.input[1] ?? '') ?? []).length
  const rank = weight.shape.length + count
  const axes = axesOf(node, rank, numbers)
  if (!axes || new Set(axes).size !== count || axes.some(axis => !(axis >= 0 && axis < rank))) return undefined
  const rest = [...weight.shape]
  return reshaped(
    weight,
    Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : rest.shift()!)),
  )
}

const squeeze: Move = (node, weight, numbers) => {
  const { shape } = weight
  const hasAxes = numbersOf(node, 'axes') !== undefined || Boolean(node.input[1])
  const axes = hasAxes ? axesOf(node, shape.length, numbers) : shape.flatMap((extent, axis) => (extent === 1 ? [axis] : []))
  return axes?.every(axis => shape[axis] === 1) ? reshaped(weight, shape.filter((_, axis) => !axes.includes(axis))) : undefined // prettier-ignore
}

/** Into the floats that the graph computes in: doubles are rounded as the graph would, narrower ones stay and are widened when it runs. */
const cast: Move = (node, weight) => {
  const dtype = dtypeOf(numberOf(node, 'to', 0))
  if (isTree(weight) || dtype !== 'f32' || weight.dtype === undefined || DTYPES[weight.dtype].kind !== 'float') return undefined
  const narrow = (parameter: Parameter): Parameter =>
    parameter.kind === 'dense' && parameter.dtype === 'f64' ? fromFloat32(toFloat32(parameter), 'f32', parameter.shape) : parameter
  return { shape: weight.shape, dtype, move: narrow }
}

const identity: Move = (_node, { shape, dtype }) => ({ shape, dtype, move: parameter => parameter })

/** Operators that only move a weight. */
const MOVES: Readonly<Record<string, Move>> = {
  Identity: identity,
  Transpose: transpose,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Cast: cast,
}

/** Operators behind which a weight becomes a site. */
export const MOVING_OPERATORS: readonly string[] = Object.freeze(Object.keys(MOVES))

const DTYPES_THAT_MOVE: readonly (string | undefined)[] = ['f32', 'f16', 'bf16', 'f64']

/** How often each value is asked for; those that graphs inside of nodes or the caller ask for must stay. */
const countAsked = ({ node, output }: GraphProto): { readonly asked: Map<string, number>; readonly fixed: ReadonlySet<string> } => {
  const asked = new Map<string, number>()
  for (const { input } of node) for (const name of input) asked.set(name, (asked.get(name) ?? 0) + 1)
  return { asked, fixed: new Set([...output.map(({ name }) => name), ...node.flatMap(namesInside)]) }
}

interface Folding {
  readonly nodes: readonly NodeProto[]
  /** By their own names, as they are now. */
  readonly tensors: Map<string, OnnxTensor>
  readonly moves: Map<string, ((parameter: Parameter) => Parameter)[]>
}

/** Takes the nodes away that only move a weight nobody else asks for, and names that the rest calls it by. */
const fold = ({ graph, tensors }: Pick<Onnx, 'graph' | 'tensors'>): Folding => {
  const byName = new Map(tensors.map(tensor => [tensor.name, tensor]))
  const small = smallConstants(graph)
  const numbers: Numbers = name => wholeNumbers(byName.get(name) ?? small.get(name))
  const { asked, fixed } = countAsked(graph)
  const called = new Map<string, string>()
  const moves = new Map<string, ((parameter: Parameter) => Parameter)[]>()
  const nodes = graph.node.filter(node => {
    node.input = node.input.map(name => called.get(name) ?? name)
    const [name] = node.input
    const [output] = node.output
    const weight = byName.get(name)
    if (!weight || !DTYPES_THAT_MOVE.includes(weight.dtype) || node.domain !== '' || !Object.hasOwn(MOVES, node.opType) || fixed.has(output)) return true // prettier-ignore
    const isAlias = node.opType === 'Identity'
    if (!isAlias && (asked.get(name) !== 1 || fixed.has(name))) return true
    const moved = MOVES[node.opType](node, weight, numbers)
    if (!moved || (moved.shape.length < 2 && !isAlias)) return true
    called.set(output, name)
    asked.set(name, (asked.get(name) ?? 0) - 1 + (asked.get(output) ?? 0))
    if (isAlias) return false
    const { shape, dtype } = moved
    byName.set(name, { name, shape, dtype: dtype!, proto: tensorHeader(name, { dtype: dtype!, shape }), stored: weight.stored ?? 'float' })
    moves.set(name, [...(moves.get(name) ?? []), moved.move])
    return false
  })
  for (const node of nodes) node.input = node.input.map(name => called.get(name) ?? name) // also where nodes do not stand in order
  return { nodes, tensors: byName, moves }
}

/** What Constant nodes hold that are no weights. */
export const smallConstants = ({ node }: GraphProto): ReadonlyMap<string, OnnxTensor> =>
  new Map(
    node.flatMap(each => {
      const constant = constantOf(each)
      return constant ? [[each.output[0], tensorOf(constant)] as const] : []
    }),
  )

/** The elements of a small tensor of whole numbers. */
export const wholeNumbers = (tensor: OnnxTensor | undefined): readonly number[] | undefined => {
  if (!tensor || tensor.range || (tensor.dtype !== 'i64' && tensor.dtype !== 'i32')) return undefined
  const bytes = inlineBytes(tensor)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = tensor.dtype === 'i64' ? (i: number) => Number(view.getBigInt64(i * 8, true)) : (i: number) => view.getInt32(i * 4, true)
  return Array.from({ length: sizeOf(tensor.shape) }, (_, i) => at(i))
}

const storeOf = (params: ParameterStore, { tensors, moves }: Folding): ParameterStore => ({
  ...params,
  info: (name: string): ParameterInfo => {
    const info = params.info(name)
    const [tensor, count] = [tensors.get(name), moves.get(name)?.length ?? 0]
    if (!tensor || count === 0) return info
    const { shape, dtype } = tensor
    if (info.dtype === 'f64') return { dtype: dtype!, shape, byteLength: info.byteLength / 2 }
    return { ...info, shape, ...(info.codec && count % 2 === 1 ? { codec: info.codec === 'matrix' ? 'affine' : 'matrix' } : {}) }
  },
  read: async (name: string, options: ReadOptions = {}) =>
    (moves.get(name) ?? []).reduce((parameter, move) => move(parameter), await params.read(name, options)),
})

/**
 * The same graph with each weight as the nodes see it that multiply by it: those that only move a weight, Identity, Transpose, Reshape and
 * Cast of doubles among them, are taken into it. A weight that others ask for besides stays as it is.
 */
export const withFolded = (onnx: Onnx): Onnx => {
  const model = clone(ModelProtoSchema, onnx.model)
  const graph = model.graph!
  const folding = fold({ tensors: onnx.tensors, graph })
  if (folding.nodes.length === graph.node.length && folding.moves.size === 0) return onnx
  graph.node = [...folding.nodes]
  graph.input = graph.input.filter(({ name }) => !folding.moves.has(name))
  const tensors = onnx.tensors.map(({ name }) => folding.tensors.get(name)!)
  graph.initializer = tensors.map(({ proto }) => proto)
  return Object.freeze({ ...onnx, model, graph, tensors, params: Object.freeze(storeOf(onnx.params, folding)) })
}
