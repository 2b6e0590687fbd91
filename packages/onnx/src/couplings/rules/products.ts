import { numberOf } from '../../file/attributes.js'
import { plain, plainAxes, protect, type Axes, type Axis } from '@tersor/models/internal/imported/couplings/axes'
import { broadcast } from '@tersor/models/internal/imported/couplings/meet'
import type { Rule, Scope } from '../scope.js'
import { headsOn } from './heads.js'

/** A bias of a product: units that its last axis makes. */
export const addBias = (scope: Scope, bias: string | undefined, to: Axis): void => {
  if (!bias) return
  const shape = scope.shapeOf(bias)
  if (!shape) return protect(to, `"${bias}" is no weight that can be cut`)
  if (shape[shape.length - 1] !== 1) scope.bind(bias, shape.length - 1, to, 'writes')
}

/** x (m, k) · W (k, n), W (n, k) where it is transposed. */
export const gemm: Rule = (node, scope) => {
  const [x, weight, bias] = node.input
  const shape = scope.shapeOf(weight)
  const axes = scope.value(x) ?? plainAxes(2)
  if (shape?.length !== 2 || axes.length !== 2 || numberOf(node, 'transA', 0) === 1)
    return 'it multiplies by no constant matrix from the right'
  const out = numberOf(node, 'transB', 0) === 1 ? 0 : 1
  scope.bind(weight, 1 - out, axes[1], 'reads')
  const made = scope.write(weight, out)
  addBias(scope, bias, made)
  return [[axes[0], made]]
}

/** Of two values that are computed: what they are summed over has no weight that could be cut. */
const computed = (a: Axes, b: Axes, what: string): readonly Axes[] | string => {
  if (a.length < 2 || b.length < 2) return 'it multiplies by a vector'
  protect(a[a.length - 1], `${what} sums over them without a weight`)
  protect(b[b.length - 2], `${what} sums over them without a weight`)
  const outer = broadcast(a.slice(0, -2), b.slice(0, -2), what)
  outer.forEach(headsOn)
  const rows = a[a.length - 2]
  if (rows.extent === undefined) headsOn(rows) // rows that are so many heads of so many tokens
  return [[...outer, rows, b[b.length - 1]]]
}

/** x (…, k) · W (k, n), or W (m, k) · x (…, k, n). */
export const matMul: Rule = ({ input: [left, right] }, scope) => {
  const [first, second] = [scope.shapeOf(left), scope.shapeOf(right)]
  if (second?.length === 2 && !first) {
    const axes = scope.value(left)
    if (!axes || axes.length < 2) return 'it multiplies what has no known axes'
    scope.bind(right, 0, axes[axes.length - 1], 'reads')
    return [[...axes.slice(0, -1), scope.write(right, 1)]]
  }
  if (first?.length === 2 && !second) {
    const axes = scope.value(right)
    if (!axes || axes.length < 2) return 'it multiplies what has no known axes'
    scope.bind(left, 1, axes[axes.length - 2], 'reads')
    return [[...axes.slice(0, -2), scope.write(left, 0), axes[axes.length - 1]]]
  }
  const [a, b] = [scope.value(left), scope.value(right)]
  return a && b ? computed(a, b, 'a product of two values') : 'it multiplies what has no known axes'
}

/** Batch norms and instance norms: one number of each weight for each channel. */
export const perChannel: Rule = ({ input: [x, ...weights], output }, scope) => {
  const axes = scope.value(x)
  if (!axes || axes.length < 2) return 'its input has no known axes'
  for (const weight of weights) scope.bind(weight, 0, axes[1], 'carries')
  return output.map((_, i) => (i === 0 ? axes : [plain()]))
}
