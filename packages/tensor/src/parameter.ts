import type { Tensor } from '@tensorflow/tfjs-core'
import type { Dense } from './dense.js'
import { sizeOf, type Shape } from './dtype.js'

export type Attrs = Readonly<Record<string, string | number | boolean | readonly number[]>>

/** A parameter kept as named parts, which its codec turns back into a tensor. */
export interface Encoded {
  readonly kind: 'encoded'
  readonly codec: Codec
  /** Of the tensor it stands for. */
  readonly shape: Shape
  readonly parts: Readonly<Record<string, Parameter>>
  readonly attrs: Attrs
}

export type Parameter = Dense | Encoded

/** One storage form. A value you import, not a name you look up. */
export interface Codec {
  readonly name: string
  /** The parts a later method may compress again: masked → values; factored → u, v. */
  readonly payload?: readonly string[]
  /** Whether the payload has the axes of the whole, so that the site's statistics hold for it. */
  readonly aligned?: boolean
  /**
   * What keeps parts from fitting each other, so that `decode` would fail or give something else: words that end no sentence, such as
   * "the scale is [3], expected [2]"; undefined where nothing does. Asked of what comes from files; reads bytes and makes no tensors.
   */
  check?(parts: Readonly<Record<string, Parameter>>, attrs: Attrs, shape: Shape): string | undefined
  /**
   * The same where only the positions `kept` of an axis stay, in that order, or words for why not that end no sentence, such as "32 columns share a scale"; absent where
   * nothing of it can be cut. `take` does it to a part, and throws where that one cannot.
   */
  cut?(
    tree: Encoded,
    axis: number,
    kept: Int32Array,
    take: (part: Parameter, axis: number, kept: Int32Array) => Parameter,
  ): Encoded | string
  /** Turns decoded parts into the tensor; the caller owns parts and result. */
  decode(parts: Readonly<Record<string, Tensor>>, attrs: Attrs, shape: Shape): Tensor
}

export const isDense = (parameter: Parameter | undefined): parameter is Dense => parameter?.kind === 'dense'

/** Makes a node of the tree. */
export const encoded = (codec: Codec, shape: Shape, parts: Readonly<Record<string, Parameter>>, attrs: Attrs = {}): Encoded =>
  Object.freeze({
    kind: 'encoded',
    codec,
    shape: Object.freeze([...shape]),
    parts: Object.freeze({ ...parts }),
    attrs: Object.freeze({ ...attrs }),
  })

/** All leaves of a tree, in the order of its parts. */
export const denseLeaves = (parameter: Parameter): readonly Dense[] =>
  parameter.kind === 'dense' ? [parameter] : Object.values(parameter.parts).flatMap(denseLeaves)

/** Bytes of all leaves of a tree. */
export const byteLength = (parameter: Parameter): number => denseLeaves(parameter).reduce((sum, { bytes }) => sum + bytes.byteLength, 0)

/** Bits that one element of the tensor takes at rest: 8 · bytes / size. */
export const bitsPerWeight = (parameter: Parameter): number => (8 * byteLength(parameter)) / Math.max(1, sizeOf(parameter.shape))

/** The tree in words, outermost codec first: "masked{values: affine{data: u4, scale: f16}, mask: u1}". */
export const describe = (parameter: Parameter): string => {
  if (parameter.kind === 'dense') return parameter.dtype
  const parts = Object.entries(parameter.parts).map(([name, part]) => `${name}: ${describe(part)}`)
  return `${parameter.codec.name}{${parts.join(', ')}}`
}
