import type { Rng } from '@tersor/core'
import { fromFloat32, memoryStore, sizeOf, type DType, type ParameterStore, type Shape } from '@tersor/tensor'

/** How training starts a parameter: one value, or a law its values are drawn from. */
export type Start =
  | { readonly kind: 'constant'; readonly value: number }
  /** Normal with so many times the deviation that all weights of a network share. */
  | { readonly kind: 'normal'; readonly times: number }
  /** Normal with variance 2 / fan-out: He et al. 2015, https://arxiv.org/abs/1502.01852, as torchvision starts convolutions. */
  | { readonly kind: 'kaiming'; readonly fanOut: number }
  /** Within ± bound, as PyTorch starts linear layers with 1 / √in. */
  | { readonly kind: 'uniform'; readonly bound: number }

/** A parameter of a network and how training starts it. */
export interface NetworkParameter {
  readonly name: string
  readonly shape: Shape
  readonly start: Start
  /** Whether it holds whole numbers, which nothing trains. */
  readonly whole?: boolean
}

export interface InitOptions {
  /** Of the normal distribution of weights; 0.02, the usual `initializer_range`, where absent. */
  readonly deviation?: number
  readonly dtype?: DType
}

export const ONES: Start = Object.freeze({ kind: 'constant', value: 1 })
export const ZEROS: Start = Object.freeze({ kind: 'constant', value: 0 })
export const NORMAL: Start = Object.freeze({ kind: 'normal', times: 1 })
/** Of what is added to the residual stream, so that its variance does not grow with depth: Radford et al. 2019, section 2.3. */
export const residualStart = (layers: number): Start => ({ kind: 'normal', times: 1 / Math.sqrt(2 * layers) })

/** A weight and its bias. */
export const biased = (name: string, shape: Shape, outputs: number = shape[0]): readonly NetworkParameter[] => [
  { name: `${name}.weight`, shape, start: NORMAL },
  { name: `${name}.bias`, shape: [outputs], start: ZEROS },
]

/** The gain and the bias of a norm. */
export const normed = (name: string, size: number): readonly NetworkParameter[] => [
  { name: `${name}.weight`, shape: [size], start: ONES },
  { name: `${name}.bias`, shape: [size], start: ZEROS },
]

type Law<K extends Start['kind']> = (start: Extract<Start, { kind: K }>, rng: Rng, deviation: number) => () => number

const LAWS: { readonly [K in Start['kind']]: Law<K> } = {
  constant:
    ({ value }) =>
    () =>
      value,
  normal: ({ times }, rng, deviation) => {
    const scale = deviation * times
    return () => scale * rng.normal()
  },
  kaiming: ({ fanOut }, rng) => {
    const scale = Math.sqrt(2 / fanOut)
    return () => scale * rng.normal()
  },
  uniform:
    ({ bound }, rng) =>
    () =>
      bound * (2 * rng.uniform() - 1),
}

/** Fresh weights in memory, each from its own fork of the random numbers: adding a layer changes no other. */
export const freshStore = (
  parameters: Iterable<NetworkParameter>,
  rng: Rng,
  { deviation = 0.02, dtype = 'f32' }: InitOptions = {},
): ParameterStore =>
  memoryStore(
    Object.fromEntries(
      [...parameters].map(({ name, shape, start }) => {
        const draw = (LAWS[start.kind] as Law<Start['kind']>)(start, rng.fork(name), deviation)
        return [name, fromFloat32(new Float32Array(sizeOf(shape)).map(draw), dtype, shape)]
      }),
    ),
  )
