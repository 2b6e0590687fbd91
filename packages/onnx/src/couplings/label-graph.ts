import { sizeOf, toFloat32 } from '@tersor/tensor'
import { smallConstants, wholeNumbers } from '../file/fold.js'
import { tensorTypeOf } from '../file/model.js'
import type { Onnx } from '../file/open.js'
import type { NodeProto, ValueInfoProto } from '../file/schema/onnx-ml_pb.js'
import { opsetOf } from '../file/sink-weights.js'
import { namesInside } from '../file/subgraphs.js'
import { takenAsAny } from '../file/takes-any.js'
import { inlineBytes, parameterOf, type OnnxTensor } from '../file/tensors.js'
import { plain, type Axes } from '@tersor/models/internal/imported/couplings/axes'
import { labelNodes, type LabelledNode, type Labels } from '@tersor/models/internal/imported/couplings/label-nodes'
import { weightLabels } from '@tersor/models/internal/imported/couplings/weight-labels'
import { EXTENTS } from './rules/extents.js'
import { RULES } from './rules/table.js'
import type { Scope } from './scope.js'

/** The axes of an input; those whose extents the caller chooses show when the graph runs. */
const axesOfInput = (input: ValueInfoProto): Axes | undefined =>
  tensorTypeOf(input)?.shape?.dim.map(({ value }) => plain(value.case === 'dimValue' && value.value > 0n ? Number(value.value) : undefined))

/** Most elements of a constant that shapes, paddings and factors have. */
const FEW = 64

const smallNumbers =
  (constants: ReadonlyMap<string, OnnxTensor>): Scope['numbers'] =>
  name => {
    const tensor = constants.get(name ?? '')
    if (!tensor || tensor.range || !tensor.dtype || tensor.stored || sizeOf(tensor.shape) > FEW) return undefined
    return tensor.dtype === 'f32' ? [...toFloat32(parameterOf(tensor, inlineBytes(tensor)))] : wholeNumbers(tensor)
  }

const nameOf = ({ name, opType }: NodeProto): string => (name ? `${opType} (${JSON.stringify(name)})` : opType)

/** A node of ONNX's own domain has the rules of its operator. */
const labelled = (node: NodeProto): LabelledNode<Scope> => {
  const extents = node.domain === '' && Object.hasOwn(EXTENTS, node.opType) ? EXTENTS[node.opType] : undefined
  const rule = node.domain === '' && Object.hasOwn(RULES, node.opType) ? RULES[node.opType] : undefined
  return {
    ...{ inputs: node.input, outputs: node.output, inner: namesInside(node), called: nameOf(node) },
    ...(extents && { extents: (scope: Scope) => extents(node, scope) }),
    ...(rule && { rule: (scope: Scope) => rule(node, scope) }),
  }
}

const isConstant = ({ domain, opType }: NodeProto): boolean => domain === '' && opType === 'Constant'

/** Moves labels through all nodes of a graph; whatever reaches a node without a rule, an inner graph or an output stays whole. */
export const labelGraph = ({ graph, tensors, model }: Pick<Onnx, 'graph' | 'tensors' | 'model'>): Labels => {
  const constants = new Map([...smallConstants(graph), ...tensors.map(tensor => [tensor.name, tensor] as const)])
  return labelNodes<Scope>({
    nodes: graph.node.filter(node => !isConstant(node)).map(labelled),
    values: [
      ...graph.input.map(each => [each.name, axesOfInput(each)] as const),
      ...[...constants.values()].map(({ name, shape, dtype }) => [name, dtype && shape.map(plain)] as const),
    ],
    weights: weightLabels(takenAsAny(graph, tensors)),
    numbers: smallNumbers(constants),
    outputs: graph.output.map(({ name }) => name),
    scope: shared => ({ ...shared, opset: opsetOf(model) }),
  })
}
