import { numberOf, numbersOf } from '../../file/attributes.js'
import { placeOf, plain, protect, type Axes, type Axis } from '@tersor/models/internal/imported/couplings/axes'
import { broadcast } from '@tersor/models/internal/imported/couplings/meet'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import type { GraphNorm, Rule, Scope } from '../scope.js'

const UNKNOWN = 'its input has no known axes'

/** The last axis of a value that a norm runs over alone; undefined where it runs over others as well. */
const lastAxis = (node: NodeProto, axes: Axes): Axis | undefined =>
  placeOf(numberOf(node, 'axis', -1), axes.length) === axes.length - 1 ? axes[axes.length - 1] : undefined

/** A norm in one node, with its weight and ε. */
const normed = (node: NodeProto, scope: Scope, axes: Axes, weight: string): void => {
  const axis = lastAxis(node, axes)
  if (!axis || scope.shapeOf(weight)?.length !== 1)
    return axes.forEach(each => protect(each, `${node.opType} takes them together, and no weight is known behind it`))
  scope.bind(weight, 0, axis, 'carries')
  scope.norm({ axis, weight, node })
}

/** x / √(mean(x²) + ε) · weight, as one node. */
export const rmsNorm: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes) return UNKNOWN
  normed(node, scope, axes, node.input[1])
  return node.output.map((_, i) => (i === 0 ? axes : undefined))
}

/** What two values and a bias add up to. */
const summed = ({ input: [x, skip], opType }: NodeProto, bias: string | undefined, scope: Scope): Axes | undefined => {
  const [a, b] = [scope.value(x), scope.value(skip)]
  const axes = a && b && broadcast(a, b, opType)
  if (axes && bias) scope.bind(bias, 0, axes[axes.length - 1], 'writes')
  return axes
}

/** The norm of a sum, which is given as well. */
export const skipRmsNorm: Rule = (node, scope) => {
  const axes = summed(node, node.input[3], scope)
  if (!axes) return UNKNOWN
  normed(node, scope, axes, node.input[2])
  return node.output.map((_, i) => (i === 0 || i === 3 ? axes : undefined))
}

/** Layer norms: their mean counts all units, so that these stay whole. */
export const layerNorm: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const at = axes && placeOf(numberOf(node, 'axis', -1), axes.length)
  if (!axes || at === undefined) return UNKNOWN
  axes.slice(at).forEach(axis => protect(axis, `${node.opType} takes them together`))
  return node.output.map((_, i) => (i === 0 ? axes : undefined))
}

export const skipLayerNorm: Rule = (node, scope) => {
  const axes = summed(node, node.input[4], scope)
  if (!axes) return UNKNOWN
  protect(axes[axes.length - 1], `${node.opType} takes them together`)
  return node.output.map((_, i) => (i === 0 || i === 3 ? axes : undefined))
}

const isSquare = ({ opType, input: [a, b] }: NodeProto, { numbers }: Scope): boolean =>
  (opType === 'Mul' && a === b) || (opType === 'Pow' && numbers(b)?.[0] === 2)

/** The nodes behind a value on ways of one operator, through casts; undefined where others ask for it too. */
const behind = (
  name: string,
  scope: Scope,
  isWanted: (node: NodeProto, value: string) => boolean,
): readonly (readonly [NodeProto, string])[] | undefined => {
  const users = scope.users(name)
  const found = users?.map(node => (node.opType === 'Cast' ? behind(node.output[0], scope, isWanted) : isWanted(node, name) ? [[node, name] as const] : undefined)) // prettier-ignore
  return found && found.length > 0 && found.every(each => each !== undefined) ? found.flat() : undefined
}

const isOnly = (of: (number | undefined)[] | undefined): boolean => of?.length === 1

/** The quotients x / root that a root is asked for: by division, or by multiplying with its reciprocal. */
const quotients = (root: string, scope: Scope): readonly string[] | undefined => {
  const isInverse = ({ opType, input: [a] }: NodeProto): boolean => opType === 'Reciprocal' || (opType === 'Div' && scope.numbers(a)?.[0] === 1) // prettier-ignore
  const found = behind(root, scope, (node, value) => isInverse(node) || (node.opType === 'Div' && node.input[1] === value))
  const all = found?.map(([node]) => (isInverse(node) ? behind(node.output[0], scope, ({ opType }) => opType === 'Mul')?.map(([product]) => product.output[0]) : [node.output[0]])) // prettier-ignore
  return all?.every(each => each !== undefined) ? all.flat() : undefined
}

/** The weight that multiplies a normalised value, wherever that is asked for. */
const weightBehind = (normal: string, axis: Axis, scope: Scope): readonly string[] | undefined => {
  const products = behind(normal, scope, ({ opType }) => opType === 'Mul')
  const weights = products?.map(([{ input }, value]) => input.find(each => each !== value && scope.shapeOf(each)?.join() === String(axis.extent))) // prettier-ignore
  return weights?.every(each => each !== undefined) ? weights : undefined
}

/** The norms that a mean of squares is part of: mean → + ε → √ → quotient → · weight; undefined where it is anything else. */
const normsOfMean = (node: NodeProto, axis: Axis, scope: Scope): readonly GraphNorm[] | undefined => {
  const squares = scope.maker(node.input[0])
  if (!squares || !isSquare(squares, scope)) return undefined
  const isEpsilon = (name: string): boolean => isOnly(scope.numbers(name) as number[] | undefined)
  const sums = behind(node.output[0], scope, ({ opType, input }) => opType === 'Add' && input.some(isEpsilon))
  const norms = sums?.map(([sum]) => {
    const roots = behind(sum.output[0], scope, ({ opType }) => opType === 'Sqrt')
    const normals = roots?.map(([root]) => quotients(root.output[0], scope))
    if (!normals?.every(each => each !== undefined)) return undefined
    const weights = normals.flat().map(normal => weightBehind(normal, axis, scope))
    if (!weights.every(each => each !== undefined)) return undefined
    const input = sum.input.findIndex(isEpsilon)
    return weights.flat().map((weight): GraphNorm => ({ axis, weight, node: sum, input }))
  })
  return norms?.every(each => each !== undefined) ? norms.flat() : undefined
}

/** A mean over the last axis that is part of root-mean-square norms; undefined for any other. */
export const meanOfNorm = (node: NodeProto, scope: Scope): readonly Axes[] | undefined => {
  const over = numbersOf(node, 'axes') ?? scope.numbers(node.input[1])
  const axes = scope.value(node.input[0])
  const isLast = axes && over?.length === 1 && placeOf(over[0], axes.length) === axes.length - 1
  if (!isLast || numberOf(node, 'keepdims', 1) !== 1) return undefined
  const norms = normsOfMean(node, axes[axes.length - 1], scope)
  norms?.forEach(scope.norm)
  return norms && [[...axes.slice(0, -1), plain(1)]]
}
