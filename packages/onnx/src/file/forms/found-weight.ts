import type { Parameter, Shape } from '@tersor/tensor'
import type { GraphProto, NodeProto } from '../schema/onnx-ml_pb.js'
import type { OnnxTensor } from '../tensors.js'
import type { OnnxForm } from './stored.js'

/** A weight that a node computes from initializers, or multiplies by without computing it. */
export interface FoundWeight {
  /** What it is called where the names of its parts tell, and what it may be called else. */
  readonly name: string
  readonly shape: Shape
  /** What the graph computes in. */
  readonly dtype: 'f32' | 'f16'
  /** Absent for plain values of another float type. */
  readonly form?: OnnxForm
  /** The outermost codec of its tree; absent for plain values. */
  readonly codec?: string
  /** Attributes of its node that say how to compute with it, which the form it is written in keeps. */
  readonly attributes?: Readonly<Record<string, number>>
  /** The initializers it is made of. */
  readonly parts: readonly OnnxTensor[]
  /** What it is stored as, from the bytes of its parts. */
  read(parts: readonly Uint8Array[]): Parameter
  /** What takes the node's place where the weight stands by itself; nothing where the node's value is the weight. */
  product?(weight: string): readonly NodeProto[]
}

/** An initializer by its name. */
export type Find = (name: string | undefined) => OnnxTensor | undefined

/** Recognizes a weight; undefined where it is none, or none of a kind that is known. */
export type Reader = (node: NodeProto, find: Find, graph: GraphProto) => FoundWeight | undefined
