import { plainAxes, protect, type Axes } from '../../../couplings/axes.js'
import { broadcast, withWeight } from '../../../couplings/meet.js'
import type { Role } from '../../../couplings/weight-labels.js'
import { withBias } from '../windows.js'
import { isSet, textOf } from './attributes.js'
import { fused } from './images.js'
import { UNKNOWN, type Rule } from './rule.js'

/** Of two values that are computed: what they are summed over has no weight that could be cut. */
const computed = (a: Axes, b: Axes, [first, second]: readonly [boolean, boolean], what: string): readonly Axes[] | string => {
  if (a.length < 2 || b.length < 2) return 'it multiplies by a vector'
  const [rows, summed] = first ? [a[a.length - 1], a[a.length - 2]] : [a[a.length - 2], a[a.length - 1]]
  const [also, columns] = second ? [b[b.length - 1], b[b.length - 2]] : [b[b.length - 2], b[b.length - 1]]
  for (const axis of [summed, also]) protect(axis, `${what} sums over them without a weight`)
  return [[...broadcast(a.slice(0, -2), b.slice(0, -2), what), rows, columns]]
}

/** x (…, k) · W (k, n), W (n, k) where it is transposed. */
const product: Rule = (node, scope) => {
  const [x, weight] = node.input
  const shape = scope.shapeOf(weight)
  const turned = [isSet(node, 'transpose_a') || isSet(node, 'adj_x'), isSet(node, 'transpose_b') || isSet(node, 'adj_y')] as const
  const axes = scope.value(x) ?? (node.op.startsWith('Batch') ? undefined : plainAxes(2))
  if (!axes) return UNKNOWN
  if (!shape) {
    const other = scope.value(weight)
    return other ? computed(axes, other, turned, 'a product of two values') : 'it multiplies what has no known axes'
  }
  if (shape.length !== 2 || turned[0] || axes.length < 2) return 'it multiplies by no matrix from the right'
  const out = turned[1] ? 0 : 1
  scope.bind(weight, 1 - out, axes[axes.length - 1], 'reads')
  return fused(node, scope, [...axes.slice(0, -1), scope.write(weight, out)], 'writes')
}

const addBias: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  if (!axes || axes.length < 2) return UNKNOWN
  if (!['', 'NHWC'].includes(textOf(node, 'data_format'))) return 'its channels stand before its places'
  withBias(scope, axes[axes.length - 1], node.input[1])
  return [axes]
}

/** (x, gain, bias, mean, variance): one number of each for each channel. */
const batchNorm: Rule = (node, scope) => {
  const [x, ...weights] = node.input
  const axes = scope.value(x)
  if (axes?.length !== 4) return UNKNOWN
  if (!['', 'NHWC'].includes(textOf(node, 'data_format'))) return 'its channels stand before its places'
  for (const weight of weights) scope.bind(weight, 0, axes[3], 'carries')
  return [axes]
}

/** Operators of two or more values, element by element. */
const elementwise =
  (role: Role): Rule =>
  ({ op, input }, scope) => {
    const weights = input.filter(name => scope.shapeOf(name))
    const values = input.filter(name => !scope.shapeOf(name)).map(scope.value)
    if (values.length === 0 || values.some(axes => axes === undefined)) return 'its inputs have no known axes'
    const all = (values as readonly Axes[]).reduce((a, b) => broadcast(a, b, op))
    return [weights.reduce<Axes>((axes, weight) => withWeight(scope, axes, weight, role), all)]
  }

/** Operators of one value, element by element. */
const unary: Rule = ({ input: [x] }, scope) => [scope.value(x)]

const all = (rule: Rule, ...operators: readonly string[]): Readonly<Record<string, Rule>> =>
  Object.fromEntries(operators.map(operator => [operator, rule]))

export const PRODUCT_RULES: Readonly<Record<string, Rule>> = {
  ...all(product, 'MatMul', '_FusedMatMul', 'BatchMatMul', 'BatchMatMulV2'),
  BiasAdd: addBias,
  ...all(batchNorm, 'FusedBatchNorm', 'FusedBatchNormV2', 'FusedBatchNormV3'),
  ...all(elementwise('writes'), 'Add', 'AddV2', 'AddN', 'Sub'),
  ...all(elementwise('carries'), 'Mul', 'RealDiv', 'Div', 'DivNoNan', 'Maximum', 'Minimum', 'Pow', 'SquaredDifference', 'Prelu'),
  ...all(unary, 'Relu', 'Relu6', 'LeakyRelu', 'Elu', 'Selu', 'Sigmoid', 'Tanh', 'Softplus', 'ClipByValue', 'Abs', 'Neg', 'Exp', 'Log'),
  ...all(unary, 'Sqrt', 'Rsqrt', 'Square', 'Reciprocal', 'Erf', 'Identity', 'StopGradient', 'Snapshot', 'Cast'),
}
