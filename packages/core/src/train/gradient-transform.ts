import * as tf from '@tensorflow/tfjs-core'
import type { Shape } from '@tersor/tensor'
import type { Site } from '../model/model.js'
import type { Rng } from '../run/rng.js'

/** Tensors nested in arrays and records; the trainer keeps and frees them. */
export type State = tf.TensorContainer

/** What is trained, by its names. */
export interface TrainedName {
  /** Unique among all: the parameter's, and behind it that of the part. */
  readonly name: string
  /** The site whose weight it makes. */
  readonly site?: Site
}

/** What a transform may know besides the gradient. */
export interface UpdateContext extends TrainedName {
  /** The parameter before the step; not to be disposed. */
  readonly parameter: tf.Tensor
  /** 0 for the first. */
  readonly step: number
  readonly rng: Rng
  /** ‖all gradients of the step‖₂, as they were before any transform. */
  readonly norm: tf.Scalar
}

/** Turns a gradient into an update that is added to the parameter: state in, state out. */
export interface GradientTransform<S extends State = any> {
  readonly name: string
  /** Whether steps go on in the direction of those before: an exchange that has done so already refuses it. */
  readonly hasMomentum?: boolean
  init(shape: Shape, trained: TrainedName): S
  update(gradient: tf.Tensor, state: S, context: UpdateContext): readonly [update: tf.Tensor, state: S]
  /** The parameter with the update added, where that takes less than adding it. */
  apply?(gradient: tf.Tensor, state: S, context: UpdateContext): readonly [parameter: tf.Tensor, state: S]
  /** Whether it moves a parameter at all: one that it does not costs no gradient. */
  moves?(trained: TrainedName): boolean
  /** Looks at everything that is trained before the first step; throws where it does not fit. */
  check?(trained: readonly TrainedName[]): void
}

/** The parameter after a transform's update of it. */
export const applied = <S extends State>(
  transform: GradientTransform<S>,
  gradient: tf.Tensor,
  state: S,
  context: UpdateContext,
): readonly [parameter: tf.Tensor, state: S] => {
  if (transform.apply) return transform.apply(gradient, state, context)
  const [update, next] = transform.update(gradient, state, context)
  return [tf.add(context.parameter, update), next]
}

const inTurn = (
  transforms: readonly GradientTransform[],
  gradient: tf.Tensor,
  states: readonly State[],
  context: UpdateContext,
): readonly [update: tf.Tensor, states: State[]] => {
  const next: State[] = []
  const update = transforms.reduce((value, transform, i) => {
    const [result, state] = transform.update(value, states[i], context)
    next.push(state as State)
    return result
  }, gradient)
  return [update, next]
}

/** Runs transforms in order, each on the output of the one before. */
export const chain = (...transforms: readonly GradientTransform[]): GradientTransform<State[]> => {
  const last = transforms.at(-1)
  return Object.freeze<GradientTransform<State[]>>({
    name: `chain(${transforms.map(transform => transform.name).join(', ')})`,
    init: (shape, trained) => transforms.map(transform => transform.init(shape, trained) as State),
    update: (gradient, states, context) => inTurn(transforms, gradient, states, context),
    ...(last && {
      apply: (gradient: tf.Tensor, states: State[], context: UpdateContext) => {
        const [update, next] = inTurn(transforms.slice(0, -1), gradient, states, context)
        const [parameter, state] = applied(last, update, states.at(-1)!, context)
        return [parameter, [...next, state as State]] as const
      },
    }),
    hasMomentum: transforms.some(({ hasMomentum }) => hasMomentum),
    moves: trained => transforms.every(transform => transform.moves?.(trained) ?? true),
    check: trained => transforms.forEach(transform => transform.check?.(trained)),
  })
}
