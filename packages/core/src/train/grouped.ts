import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { matcher } from '../model/patterns.js'
import { applied, type GradientTransform, type State, type TrainedName } from './gradient-transform.js'

/** Which of what is trained: by name with * for any characters, or by a test. */
export type Selector = string | ((trained: TrainedName) => boolean)

const testOf = (selector: Selector): ((trained: TrainedName) => boolean) => {
  if (typeof selector !== 'string') return selector
  const matches = matcher(selector)
  return ({ name }) => matches(name)
}

/** Names for a message. */
const namesText = (trained: readonly TrainedName[]): string => {
  const names = trained.slice(0, 4).map(({ name }) => name)
  return `${names.join(', ')}${trained.length > 4 ? ` … (${trained.length})` : ''}`
}

/**
 * A transform of its own for each group of parameters, the first whose selector chooses them:
 * `grouped(['*.scale', sgd({ learningRate: 1e-4 })], ['*', adam({ learningRate: 1e-3 })])`.
 * Throws NOT_FOUND where a group selects nothing and COMPOSITION where a parameter is in none, before the first step.
 */
export const grouped = (...groups: readonly (readonly [selector: Selector, transform: GradientTransform])[]): GradientTransform => {
  const tests = groups.map(([selector]) => testOf(selector))
  const groupOf = (trained: TrainedName): number => tests.findIndex(test => test(trained))
  const transformOf = (trained: TrainedName): GradientTransform => groups[groupOf(trained)][1]
  const check = (trained: readonly TrainedName[]): void => {
    const members = groups.map((_, index) => trained.filter(each => groupOf(each) === index))
    const empty = members.findIndex(each => each.length === 0)
    if (empty >= 0) {
      const [selector] = groups[empty]
      const named = typeof selector === 'string' ? `"${selector}"` : `number ${empty + 1}`
      throw new CompressionError('NOT_FOUND', `The group ${named} selects nothing that is trained.`, `What is trained and in no group before it is ${namesText(trained.filter(each => groupOf(each) < 0 || groupOf(each) > empty)) || 'nothing'}.`, { group: empty }) // prettier-ignore
    }
    const left = trained.filter(each => groupOf(each) < 0)
    if (left.length > 0) {
      throw new CompressionError('COMPOSITION', `No group selects ${namesText(left)}.`, "End with ['*', transform], or with ['*', frozen] where the rest shall stay as it is.", { parameters: left.map(({ name }) => name) }) // prettier-ignore
    }
    groups.forEach(([, transform], index) => transform.check?.(members[index]))
  }
  return Object.freeze<GradientTransform>({
    name: `grouped(${groups.map(([, { name }]) => name).join(', ')})`,
    hasMomentum: groups.some(([, { hasMomentum }]) => hasMomentum),
    init: (shape, trained) => transformOf(trained).init(shape, trained) as State,
    update: (gradient, state, context) => transformOf(context).update(gradient, state, context),
    apply: (gradient, state, context) => applied(transformOf(context), gradient, state, context),
    moves: trained => transformOf(trained).moves?.(trained) ?? true,
    check,
  })
}

/** Multiplies the updates of each parameter by a number of its own; behind an optimiser it is a learning rate of its own. */
export const scaleBy = (factor: (trained: TrainedName) => number): GradientTransform<tf.Tensor[]> =>
  Object.freeze<GradientTransform<tf.Tensor[]>>({
    name: 'scale-by',
    init: () => [],
    update: (gradient, state, context) => [tf.mul(gradient, factor(context)), state],
    moves: trained => factor(trained) !== 0,
  })
