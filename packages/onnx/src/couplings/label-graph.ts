import { sizeOf, toFloat32, type DType } from '@tersor/tensor'
import { smallConstants, wholeNumbers } from '../file/fold.js'
import { tensorTypeOf } from '../file/model.js'
import type { Onnx } from '../file/open.js'
import type { GraphProto, NodeProto, ValueInfoProto } from '../file/schema/onnx-ml_pb.js'
import { opsetOf } from '../file/sink-weights.js'
import { namesInside } from '../file/subgraphs.js'
import { takenAsAny } from '../file/takes-any.js'
import { inlineBytes, parameterOf, type OnnxTensor } from '../file/tensors.js'
import { HEADS_OF_PAST, isPast, isPresent } from '../cache/layers.js'
import { axisOfUnits, plain, type Axes, type Axis } from '@tersor/models/internal/imported/couplings/axes'
import { labelNodes, type LabelledNode, type Labels } from '@tersor/models/internal/imported/couplings/label-nodes'
import { weightLabels } from '@tersor/models/internal/imported/couplings/weight-labels'
import { EXTENTS } from './rules/extents.js'
import { rulesOf } from './rules/table.js'
import type { GraphNorm, Scope } from './scope.js'
import { turnedWeights } from './turned-weights.js'

/** What stands on the axes of an ONNX graph. */
export interface GraphLabels extends Labels {
  readonly norms: readonly GraphNorm[]
  /** Element types of constants. */
  readonly types: ReadonlyMap<string, DType>
}

/** Axes whose extents the caller chooses, by the names that inputs call them by. */
const openAxes = (): ((name: string) => Axis) => {
  const known = new Map<string, Axis>()
  return name => {
    const axis = known.get(name) ?? plain()
    known.set(name, axis)
    return axis
  }
}

/** The axes of an input; those whose extents the caller chooses show when the graph runs. Key heads of a cache are as many as those that come to it. */
const axesOfInput = (input: ValueInfoProto, open: (name: string) => Axis): Axes | undefined =>
  tensorTypeOf(input)?.shape?.dim.map(({ value }, i) => {
    if (value.case === 'dimParam' && value.value !== '') return open(value.value)
    const extent = value.case === 'dimValue' && value.value > 0n ? Number(value.value) : undefined
    return i === HEADS_OF_PAST && extent !== undefined && extent > 1 && isPast(input.name) ? axisOfUnits({ count: extent }) : plain(extent)
  })

/** Most elements of a constant that shapes, paddings and factors have. */
const FEW = 64

const smallNumbers =
  (constants: ReadonlyMap<string, OnnxTensor>): Scope['numbers'] =>
  name => {
    const tensor = constants.get(name ?? '')
    if (!tensor || tensor.range || !tensor.dtype || tensor.stored || sizeOf(tensor.shape) > FEW) return undefined
    return tensor.dtype === 'f32' || tensor.dtype === 'f16'
      ? [...toFloat32(parameterOf(tensor, inlineBytes(tensor)))]
      : wholeNumbers(tensor)
  }

const nameOf = ({ name, opType }: NodeProto): string => (name ? `${opType} (${JSON.stringify(name)})` : opType)

const labelled = (node: NodeProto): LabelledNode<Scope> => {
  const extents = node.domain === '' && Object.hasOwn(EXTENTS, node.opType) ? EXTENTS[node.opType] : undefined
  const rule = rulesOf(node)
  return {
    ...{ inputs: node.input, outputs: node.output, inner: namesInside(node), called: nameOf(node) },
    ...(extents && { extents: (scope: Scope) => extents(node, scope) }),
    ...(rule && { rule: (scope: Scope) => rule(node, scope) }),
  }
}

/** Who makes values and who asks for them. */
const neighboursOf = ({ node: nodes, output }: GraphProto): Pick<Scope, 'maker' | 'users'> => {
  const makers = new Map(nodes.flatMap(node => node.output.map(name => [name, node] as const)))
  const users = new Map<string, NodeProto[]>()
  for (const node of nodes)
    for (const name of new Set(node.input)) {
      const known = users.get(name)
      if (known) known.push(node)
      else users.set(name, [node])
    }
  const others = new Set([...output.map(({ name }) => name), ...nodes.flatMap(namesInside)])
  return { maker: name => makers.get(name), users: name => (others.has(name) ? undefined : (users.get(name) ?? [])) }
}

const isConstant = ({ domain, opType }: NodeProto): boolean => domain === '' && opType === 'Constant'

/** Moves labels through all nodes of a graph; whatever reaches a node without a rule, an inner graph or an output stays whole. */
export const labelGraph = ({ graph, tensors, model }: Pick<Onnx, 'graph' | 'tensors' | 'model'>): GraphLabels => {
  const constants = new Map([...smallConstants(graph), ...tensors.map(tensor => [tensor.name, tensor] as const)])
  const open = openAxes()
  const norms: GraphNorm[] = []
  const neighbours = neighboursOf(graph)
  const labels = labelNodes<Scope>({
    nodes: graph.node.filter(node => !isConstant(node)).map(labelled),
    values: [
      ...graph.input.map(each => [each.name, axesOfInput(each, open)] as const),
      ...[...constants].map(([name, { shape, dtype }]) => [name, dtype && shape.map(extent => plain(extent))] as const),
    ],
    weights: weightLabels(takenAsAny(graph, tensors)),
    numbers: smallNumbers(constants),
    outputs: graph.output.map(({ name }) => name),
    returned: new Map(graph.output.filter(({ name }) => isPresent(name)).map(({ name }) => [name, HEADS_OF_PAST] as const)),
    scope: shared => ({ ...shared, ...turnedWeights(shared), ...neighbours, opset: opsetOf(model), norm: norm => void norms.push(norm) }),
  })
  return { ...labels, norms, types: new Map([...constants].flatMap(([name, { dtype }]) => (dtype ? [[name, dtype] as const] : []))) }
}
