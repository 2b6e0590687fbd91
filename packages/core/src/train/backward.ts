import * as tf from '@tensorflow/tfjs-core'
import { replay, type Replay } from '@tersor/kernels/replay'
import { jointNorm } from './joint-norm.js'
import { askedTensor, momentOf, type Asked, type Clock, type Moment, type Taken } from './moment.js'

/** Shapes of batches whose steps are kept as graphs; those of more shapes run their JavaScript each time. */
const RECORDED = 8

/** Loss and gradients of a batch; the caller frees them. */
export interface Backward {
  readonly loss: tf.Scalar
  /** In the order of the variables; zeros for one that the loss does not depend on. */
  readonly gradients: readonly tf.Tensor[]
  /** ‖gradients‖₂, where it was made with them, in the same graph. */
  readonly norm?: tf.Scalar
  /** What the loss told of itself, in order. */
  readonly told: readonly (readonly [name: string, value: tf.Tensor])[]
}

export const disposeBackward = ({ loss, gradients, norm, told }: Backward): void =>
  tf.dispose([loss, ...gradients, ...(norm ? [norm] : []), ...told.map(([, value]) => value)])

/** Makes loss and gradients of a batch. */
export interface BackwardOf<B> {
  (batch: B, clock: Clock): Promise<Backward>
  dispose(): void
}

export interface BackwardOptions<B, G> {
  readonly variables: readonly tf.Variable[]
  /** What the loss is given besides, made without gradients. */
  readonly given?: (batch: B, moment: Moment) => G
  readonly loss: (batch: B, moment: Moment, given: G) => tf.Scalar
}

/** The tensors of a batch by name, in order. */
export const tensorsOf = (batch: object): readonly (readonly [name: string, tensor: tf.Tensor])[] =>
  Object.entries(batch).filter((entry): entry is [string, tf.Tensor] => entry[1] instanceof tf.Tensor)

/** What a run of the JavaScript of a loss made. */
interface Computed {
  /** The loss, the joint norm of the gradients, what the loss told, and the gradients of the variables that it reaches. */
  readonly tensors: tf.Tensor[]
  readonly taken: Taken
  readonly reached: readonly number[]
}

/** `variableGrads`, which would leave behind what it saved where the function throws. */
const gradientsOf = (loss: () => tf.Scalar, variables: readonly tf.Variable[]): ReturnType<typeof tf.variableGrads> => {
  let failure: { readonly error: unknown } | undefined
  const guarded = (): tf.Scalar => {
    try {
      return loss()
    } catch (error) {
      failure = { error }
      return tf.sum(variables[0])
    }
  }
  const made = tf.variableGrads(guarded, [...variables])
  if (failure) throw failure.error
  return made
}

const compute = <B, G>(options: BackwardOptions<B, G>, batch: B, clock: Clock, numbers: readonly tf.Tensor[] = []): Computed => {
  const { variables, given, loss } = options
  const { moment, taken } = momentOf(clock, numbers)
  try {
    const beside = given?.(batch, moment) as G
    const { value, grads } = gradientsOf(() => loss(batch, moment, beside), variables)
    const found = variables.map(({ name }) => grads[name] as tf.Tensor | undefined)
    const gradients = found.filter(gradient => gradient !== undefined)
    const reached = found.flatMap((gradient, at) => (gradient ? [at] : []))
    return { tensors: [value, jointNorm(gradients), ...taken.told.map(([, told]) => told), ...gradients], taken, reached }
  } catch (error) {
    taken.told.forEach(([, told]) => told.dispose())
    throw error
  } finally {
    taken.held.forEach(tensor => tensor.dispose())
  }
}

/** The graph of one shape of batch. */
interface Graph {
  replay: Replay
  /** What it is fed besides the batch. */
  asked: readonly Asked[]
  /** What its JavaScript made when it last ran. */
  computed?: Computed
  clock: Clock
}

/**
 * Loss and gradients of a batch. On @tersor/backend-ort the first batch of a shape is recorded, and later ones run as one graph without the
 * JavaScript of network and loss. What a loss asks of its moment is fed to the graph at each step; that is found out while it is recorded, so
 * one that asks is recorded twice.
 */
export const backwardOf = <B extends object, G>(options: BackwardOptions<B, G>): BackwardOf<B> => {
  const graphs = new Map<string, Graph | 'plain'>()
  const assemble = ({ taken, reached }: Computed, [loss, norm, ...rest]: readonly tf.Tensor[]): Backward => {
    const told = taken.told.map(([name], i) => [name, rest[i]] as const)
    const found = new Map(reached.map((at, i) => [at, rest[told.length + i]]))
    const gradients = options.variables.map((variable, at) => found.get(at) ?? tf.zerosLike(variable))
    return { loss: loss as tf.Scalar, norm: norm as tf.Scalar, gradients, told }
  }
  const plainly = (batch: B, clock: Clock): Backward => {
    const kept: { computed?: Computed } = {}
    const tensors = tf.tidy(() => (kept.computed = compute(options, batch, clock)).tensors)
    return assemble(kept.computed!, tensors)
  }
  /** Undefined on engines that do not record. */
  const record = async (batch: B, clock: Clock, asked: readonly Asked[]): Promise<Graph | undefined> => {
    const names = tensorsOf(batch).map(([name]) => name)
    const recorded = await replay((...inputs) => {
      const rebuilt = Object.fromEntries(names.map((name, at) => [name, inputs[at]])) as B
      graph.computed = compute(options, rebuilt, graph.clock, inputs.slice(names.length))
      return graph.computed.tensors
    })
    const graph = { replay: recorded!, asked, clock } as Graph
    return recorded && graph
  }
  /** The graph of a shape, where there is room for one more. */
  const find = async (shape: string, batch: B, clock: Clock): Promise<Graph | undefined> => {
    const known = graphs.get(shape)
    if (known === 'plain' || (!known && graphs.size >= RECORDED)) return undefined
    const graph = known ?? (await record(batch, clock, []))
    if (graph) graphs.set(shape, graph)
    return graph
  }
  const run = async (batch: B, clock: Clock): Promise<Backward> => {
    const tensors = tensorsOf(batch).map(([, tensor]) => tensor)
    const shape = tensors.map(({ dtype, shape }) => `${dtype}[${shape}]`).join()
    const graph = await find(shape, batch, clock)
    if (!graph) return plainly(batch, clock)
    graph.clock = clock
    const made = tf.tidy(() => graph.replay(...tensors, ...graph.asked.map((asked, i) => askedTensor(clock, asked, i))))
    const computed = graph.computed!
    if (computed.taken.read || computed.taken.asked.length !== graph.asked.length) {
      graph.replay.dispose()
      graphs.set(shape, computed.taken.read ? 'plain' : (await record(batch, clock, computed.taken.asked))!)
    }
    return assemble(computed, made)
  }
  const dispose = (): void => graphs.forEach(graph => graph !== 'plain' && graph.replay.dispose())
  return Object.assign(run, { dispose })
}
