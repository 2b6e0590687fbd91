import type { Dense } from './dense.js'
import { bytesOf, type DType, type Shape } from './dtype.js'
import type { Attrs, Codec, Parameter } from './parameter.js'

/** A leaf of which only the form is known; its bytes are read in pieces. */
export interface OutlineLeaf {
  readonly kind: 'dense'
  readonly dtype: DType
  readonly shape: Shape
  /** So many bytes from a place on, in `room` where it is given and they are not in memory already. */
  read(at: number, length: number, room?: Uint8Array): Promise<Uint8Array>
}

/** A tree of which only the form is known. */
export interface OutlineNode {
  readonly kind: 'encoded'
  readonly codec: Codec
  readonly shape: Shape
  readonly parts: Readonly<Record<string, Outline>>
  readonly attrs: Attrs
}

/** A parameter whose bytes stay where they are until somebody copies them piece by piece. */
export type Outline = OutlineLeaf | OutlineNode

/** The same of a leaf in memory. */
export const outlineOf = ({ dtype, shape, bytes }: Dense): OutlineLeaf => ({
  kind: 'dense',
  dtype,
  shape,
  read: async (at, length) => bytes.subarray(at, at + length),
})

/** Bytes of all leaves. */
export const outlineBytes = (outline: Outline | Parameter): number =>
  outline.kind === 'dense'
    ? bytesOf(outline.dtype, outline.shape)
    : Object.values(outline.parts).reduce((sum, part: Outline | Parameter) => sum + outlineBytes(part), 0)
