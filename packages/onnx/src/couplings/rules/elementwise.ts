import type { Axes } from '@tersor/models/internal/imported/couplings/axes'
import { broadcast, withWeight } from '@tersor/models/internal/imported/couplings/meet'
import type { Role, Rule } from '../scope.js'

/** Before this version axes met as attributes said. */
const NUMPY_BROADCASTS = 7

/** Operators of two or more values, element by element. */
export const elementwise =
  (role: Role): Rule =>
  ({ opType, input }, scope) => {
    if (scope.opset < NUMPY_BROADCASTS) return 'attributes say how its inputs meet'
    const weights = input.filter(name => scope.shapeOf(name))
    const values = input.filter(name => !scope.shapeOf(name)).map(scope.value)
    if (values.length === 0 || values.some(axes => axes === undefined)) return 'its inputs have no known axes'
    const all = (values as readonly Axes[]).reduce((a, b) => broadcast(a, b, opType))
    return [weights.reduce<Axes>((axes, weight) => withWeight(scope, axes, weight, role), all)]
  }

/** Operators of one value, element by element; what they take besides are single numbers. */
export const unary: Rule = ({ input: [x], output }, scope) => {
  const axes = scope.value(x)
  return output.map(() => axes)
}
