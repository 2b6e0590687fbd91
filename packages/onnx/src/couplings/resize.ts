import { clone } from '@bufbuild/protobuf'
import { CompressionError, fromIntegers, type Shape } from '@tersor/tensor'
import type { Coupling, Member } from '@tersor/core'
import { tensorHeader } from '../file/build.js'
import { freeName } from '../file/free-name.js'
import { tensorTypeOf } from '../file/model.js'
import type { Onnx } from '../file/open.js'
import { ModelProtoSchema, type GraphProto, type NodeProto } from '../file/schema/onnx-ml_pb.js'
import { tensorOf, type OnnxTensor } from '../file/tensors.js'
import { lengthOf, rootOf, type Axes, type Axis, type Units } from './axes.js'
import { couplingsOf, type GraphCouplings } from './couplings.js'
import { labelGraph, type Labels } from './label-graph.js'

/** Shapes that weights of a graph came to have, by their names. */
export type NewShapes = ReadonlyMap<string, Shape>

/** How long a run or an axis is with the units that stayed. */
type Count = (units: Units) => number

const extentOf = ({ extent, runs }: Axis, count: Count): number | undefined =>
  runs.length === 0 ? extent : runs.reduce((sum, run) => sum + lengthOf(run, count), 0)

/** Whether some of the units of an axis went. */
const isCut = (axis: Axis, count: Count): boolean => axis.runs.length > 0 && extentOf(axis, count) !== axis.extent

/** How many units of a coupling stayed, told by a weight on an axis of which it stands alone; all of them where none tells. */
const countOf = ({ members, units }: Coupling, all: readonly Member[], before: Onnx['params'], after: NewShapes): number => {
  const isAlone = (parameter: string, axis: number): boolean =>
    all.filter(member => member.parameter === parameter && member.axis === axis).length === 1
  const span = members.find(({ parameter, axis }) => after.has(parameter) && isAlone(parameter, axis))
  if (!span) return units
  const { parameter, axis, size = 1, repeats = 1 } = span
  const gone = before.info(parameter).shape[axis] - after.get(parameter)![axis]
  return units - gone / (size * repeats)
}

const counting = ({ couplings, unitsOf }: GraphCouplings, { params }: Onnx, shapes: NewShapes): Count => {
  const all = couplings.flatMap(({ members }) => members)
  const counts = new Map(couplings.map(coupling => [coupling, countOf(coupling, all, params, shapes)]))
  return units => {
    const coupling = unitsOf.get(rootOf(units))
    return coupling ? counts.get(coupling)! : units.count
  }
}

/** Every weight has the extents that the units which stayed give it. */
const checkShapes = ({ weights: { bound } }: Labels, { params }: Onnx, shapes: NewShapes, count: Count): void => {
  for (const name of new Set([...bound.keys(), ...shapes.keys()])) {
    const before = params.info(name).shape
    const shape = shapes.get(name) ?? before
    const expected = before.map((extent, axis) => {
      const to = bound.get(name)?.get(axis)?.axis
      return to && to.runs.length > 0 ? extentOf(to, count) : extent
    })
    if (expected.length === shape.length && expected.every((extent, axis) => extent === shape[axis])) continue
    throw new CompressionError(
      'BAD_DATA',
      `"${name}" has the shape [${shape.join(', ')}], and the graph takes [${expected.join(', ')}].`,
      'Cut all weights of a coupling together: shrink does.',
      { name, shape, expected },
    )
  }
}

/** Rewrites what a node says of extents that changed; `constant` stores numbers and gives their name. */
type Rewrite = (node: NodeProto, of: Rewriting) => void
interface Rewriting {
  readonly labels: Labels
  readonly count: Count
  constant(name: string, numbers: readonly number[]): string
}

const rewriteReshape: Rewrite = (node, { labels, count, constant }) => {
  const shape = labels.numbers(node.input[1])
  const axes = labels.values.get(node.output[0])
  if (!shape || !axes?.some(axis => isCut(axis, count))) return
  node.input[1] = constant(
    node.input[1],
    shape.map((extent, i) => (extent > 0 && isCut(axes[i], count) ? extentOf(axes[i], count)! : extent)),
  )
}

const rewriteConvolution: Rewrite = (node, { labels, count }) => {
  const group = node.attribute.find(({ name }) => name === 'group')
  const channels = labels.values.get(node.input[0])?.[1]
  if (group && group.i > 1n && channels && isCut(channels, count)) group.i = BigInt(extentOf(channels, count)!)
}

const REWRITES: Readonly<Record<string, Rewrite>> = { Reshape: rewriteReshape, Conv: rewriteConvolution }

/** What a graph declares of values: those whose extents changed are told by it no more, and weights among its inputs have their new ones. */
const declare = (graph: GraphProto, { values }: Labels, shapes: NewShapes, count: Count): void => {
  const isSame = (axes: Axes | undefined): boolean => !axes?.some(axis => isCut(axis, count))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => isSame(values.get(name)) && !shapes.has(name))
  for (const input of graph.input) {
    const shape = shapes.get(input.name)
    tensorTypeOf(input)?.shape?.dim.forEach((dim, axis) => {
      if (shape) dim.value = { case: 'dimValue', value: BigInt(shape[axis]) }
    })
  }
}

/** An initializer of another shape, whose numbers are those of the store. */
const resized = (tensor: OnnxTensor, shape: Shape | undefined): OnnxTensor => {
  if (!shape) return tensor
  const { name, dtype, stored, attributes } = tensor
  const proto = tensorHeader(name, { dtype: dtype!, shape })
  return { name, shape, dtype: dtype!, proto, stored: stored ?? 'float', ...(attributes ? { attributes } : {}) }
}

/**
 * The graph around weights that were cut: constants that hold an extent are written anew, depthwise convolutions have as many groups as channels, and
 * nothing is declared of values that changed. The numbers of weights with a new shape are those of `params`, which the caller brings.
 * Throws BAD_DATA for shapes that no choice of units gives.
 */
export const resizeGraph = (onnx: Onnx, shapes: NewShapes, params: Onnx['params'] = onnx.params): Onnx => {
  if (shapes.size === 0) return Object.freeze({ ...onnx, params })
  const labels = labelGraph(onnx)
  const count = counting(couplingsOf(labels), onnx, shapes)
  checkShapes(labels, onnx, shapes, count)
  const model = clone(ModelProtoSchema, onnx.model)
  const graph = model.graph!
  const taken = new Set([...labels.values.keys(), ...onnx.tensors.map(({ name }) => name)])
  const added: OnnxTensor[] = []
  const constant: Rewriting['constant'] = (name, numbers) => {
    const values = fromIntegers(numbers, 'i64', [numbers.length])
    const called = freeName(`${name}_cut`, taken)
    taken.add(called)
    const proto = tensorHeader(called, values)
    proto.rawData = values.bytes as Uint8Array<ArrayBuffer>
    added.push(tensorOf(proto))
    return called
  }
  for (const node of graph.node) if (node.domain === '') REWRITES[node.opType]?.(node, { labels, count, constant })
  declare(graph, labels, shapes, count)
  const tensors = [...onnx.tensors.map(tensor => resized(tensor, shapes.get(tensor.name))), ...added]
  graph.initializer = tensors.map(({ proto }) => proto)
  return Object.freeze({ ...onnx, model, graph, tensors, params })
}

/** Weights of a store that have other shapes than those of the graph. */
export const newShapes = ({ params }: Onnx, shapeOf: (name: string) => Shape | undefined): NewShapes =>
  new Map(
    params.names().flatMap(name => {
      const [before, after] = [params.info(name).shape, shapeOf(name)]
      return after && after.join() !== before.join() ? [[name, after] as const] : []
    }),
  )
