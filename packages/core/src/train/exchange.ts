import * as tf from '@tensorflow/tfjs-core'
import type { Shape } from '@tersor/tensor'
import { sha256Digests } from '../run/digest.js'
import type { Rng } from '../run/rng.js'
import type { GradientTransform, TrainedName } from './gradient-transform.js'

/** Hexadecimal digits of a digest that tell weights apart. */
const DIGITS = 16

/** What an exchange remembers of one variable from step to step: numbers that it changes in place, and that checkpoints keep. */
export type ExchangeState = Readonly<Record<string, Float32Array>>

/** The gradient of one variable: this worker's before the exchange, and that of all workers behind it, in the same array. */
export interface ExchangedGradient extends TrainedName {
  readonly shape: Shape
  readonly values: Float32Array
  readonly state: ExchangeState
  /** In the first step, a digest of the numbers that training begins with: workers that begin with others are found by it. */
  readonly begins?: string
}

export interface ExchangeStep {
  /** 0 for the first. */
  readonly step: number
  /** This worker's; where it is no number, all workers are told. */
  readonly loss: number
  readonly gradients: readonly ExchangedGradient[]
  /** The same for all workers. */
  readonly rng: Rng
  readonly signal?: AbortSignal | undefined
}

/** Makes one gradient of those of all workers, before the transform sees it. */
export interface Exchange {
  /** With all that decides what is sent, and the number of workers: a checkpoint of another exchange is refused. */
  readonly name: string
  /** Looks at everything that is trained before the first step; throws COMPOSITION where the transform does what the exchange has done. */
  check?(trained: readonly TrainedName[], transform: GradientTransform): void
  init(shape: Shape, trained: TrainedName): ExchangeState
  /** The mean of all losses; throws NOT_FINITE on every worker where one of them is no number. */
  run(step: ExchangeStep): Promise<{ readonly loss: number }>
}

/** Of each variable, a digest of its numbers. */
export const beginningsOf = async (variables: readonly tf.Tensor[]): Promise<readonly string[]> => {
  const digests = sha256Digests()
  const all: string[] = []
  for (const variable of variables) {
    const { buffer, byteOffset, byteLength } = await variable.data()
    all.push((await digests.of(new Uint8Array(buffer, byteOffset, byteLength))).slice(0, DIGITS))
  }
  return all
}

/** Gradients behind an exchange, which takes the given ones; the caller frees what it gets. */
export const exchanged = async (
  exchange: Exchange,
  states: readonly ExchangeState[],
  moving: readonly TrainedName[],
  gradients: readonly tf.Tensor[],
  facts: Omit<ExchangeStep, 'gradients'>,
  begins?: readonly string[],
): Promise<{ readonly loss: number; readonly gradients: readonly tf.Tensor[] }> => {
  const shapes = gradients.map(({ shape }) => shape)
  const values = await Promise.all(gradients.map(async gradient => Float32Array.from(await gradient.data<'float32'>())))
  const each = moving.map(({ name, site }, i) => ({
    name,
    ...(site && { site }),
    shape: shapes[i],
    values: values[i],
    state: states[i],
    ...(begins && { begins: begins[i] }),
  }))
  const { loss } = await exchange.run({ ...facts, gradients: each })
  return { loss, gradients: values.map((numbers, i) => tf.tensor(numbers, shapes[i])) }
}

/** The numbers of states as tensors by name, which the caller frees. */
export const tensorsOfExchange = (states: readonly ExchangeState[], moving: readonly TrainedName[]): ReadonlyMap<string, tf.Tensor> =>
  new Map(
    states.flatMap((state, i) =>
      Object.entries(state).map(([part, numbers]) => [`exchange ${moving[i].name} ${part}`, tf.tensor1d(numbers.slice())] as const),
    ),
  )

/** Puts numbers back from such tensors, which are freed. */
export const restoreExchange = async (
  states: readonly ExchangeState[],
  moving: readonly TrainedName[],
  take: (name: string) => tf.Tensor,
): Promise<void> => {
  for (const [i, state] of states.entries())
    for (const [part, numbers] of Object.entries(state)) {
      const tensor = take(`exchange ${moving[i].name} ${part}`)
      numbers.set(await tensor.data<'float32'>())
      tensor.dispose()
    }
}
