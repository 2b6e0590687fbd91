import { sizeOf, toFloat32 } from '@tersor/tensor'
import { smallConstants, wholeNumbers } from '../file/fold.js'
import { tensorTypeOf } from '../file/model.js'
import type { Onnx } from '../file/open.js'
import type { GraphProto, NodeProto, ValueInfoProto } from '../file/schema/onnx-ml_pb.js'
import { opsetOf } from '../file/sink-weights.js'
import { namesInside } from '../file/subgraphs.js'
import { takenAsAny } from '../file/takes-any.js'
import { inlineBytes, parameterOf, type OnnxTensor } from '../file/tensors.js'
import { plain, protect, type Axes, type Extent } from './axes.js'
import { EXTENTS } from './rules/extents.js'
import { RULES } from './rules/table.js'
import { weightLabels, type Scope, type WeightLabels } from './scope.js'

/** What stands on the axes of a graph's values and weights. */
export interface Labels {
  readonly weights: WeightLabels
  readonly values: ReadonlyMap<string, Axes | undefined>
  readonly numbers: Scope['numbers']
}

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

/** Nodes in an order that runs: files need not have one. */
const ordered = ({ node }: GraphProto, known: ReadonlySet<string>): readonly NodeProto[] => {
  const made = new Set(known)
  const outputs = new Set(node.flatMap(({ output }) => output))
  const isReady = (name: string): boolean => made.has(name) || !outputs.has(name)
  const result: NodeProto[] = []
  for (let rest = node, before = Infinity; rest.length > 0 && rest.length < before;) {
    before = rest.length
    rest = rest.filter(each => {
      if (![...each.input, ...namesInside(each)].every(isReady)) return true
      each.output.forEach(name => made.add(name))
      result.push(each)
      return false
    })
  }
  return result
}

/** Moves labels through all nodes of a graph; whatever reaches a node without a rule, an inner graph or an output stays whole. */
export const labelGraph = ({ graph, tensors, model }: Pick<Onnx, 'graph' | 'tensors' | 'model'>): Labels => {
  const constants = new Map([...smallConstants(graph), ...tensors.map(tensor => [tensor.name, tensor] as const)])
  const weights = weightLabels(takenAsAny(graph, tensors))
  const numbers = smallNumbers(constants)
  const values = new Map<string, Axes | undefined>([
    ...graph.input.map(each => [each.name, axesOfInput(each)] as const),
    ...[...constants.values()].map(({ name, shape, dtype }) => [name, dtype && shape.map(plain)] as const),
  ])
  const extents = new Map<string, readonly Extent[]>()
  const keepExtents = (name: string, reason: string): void =>
    extents.get(name)?.forEach(each => typeof each === 'object' && protect(each, reason))
  const keep = (name: string, reason: string): void => {
    weights.keep(name, reason)
    keepExtents(name, reason)
    values.get(name)?.forEach(axis => protect(axis, reason))
  }
  const value: Scope['value'] = name => {
    if (weights.shapeOf(name)) weights.keep(name, `"${name}" is used as a value too`)
    keepExtents(name, 'the graph computes with their number')
    return values.get(name)
  }
  const scope: Scope = {
    opset: opsetOf(model),
    value,
    numbers,
    extents: name => extents.get(name ?? ''),
    shapeOf: weights.shapeOf,
    write: weights.write,
    bind: weights.bind,
  }
  for (const node of ordered(graph, new Set(values.keys()))) {
    if (node.domain === '' && node.opType === 'Constant') continue
    const moved = node.domain === '' && Object.hasOwn(EXTENTS, node.opType) ? EXTENTS[node.opType](node, scope) : undefined
    if (moved) {
      extents.set(node.output[0], moved)
      values.set(node.output[0], undefined)
      continue
    }
    const isRuled = node.domain === '' && Object.hasOwn(RULES, node.opType)
    const made = isRuled ? RULES[node.opType](node, scope) : 'there is no rule for it'
    const reason = `${nameOf(node)}: ${typeof made === 'string' ? made : 'its inner graph asks for them'}`
    for (const name of [...(typeof made === 'string' ? node.input : []), ...namesInside(node)]) keep(name, reason)
    node.output.forEach((name, i) => values.set(name, typeof made === 'string' ? undefined : made[i]))
  }
  for (const { name } of graph.output) keep(name, 'they are what the graph gives')
  return { weights, values, numbers }
}
