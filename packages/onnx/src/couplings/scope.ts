import type { Axes, Axis } from '@tersor/models/internal/imported/couplings/axes'
import type { LabelScope } from '@tersor/models/internal/imported/couplings/weight-labels'
import type { NodeProto } from '../file/schema/onnx-ml_pb.js'

export type { Role } from '@tersor/models/internal/imported/couplings/weight-labels'

/** A root-mean-square norm: the axis that it runs over, the weight that multiplies what it gives, and the node that holds its ε. */
export interface GraphNorm {
  readonly axis: Axis
  readonly weight: string
  /** In an attribute, or in a constant that is its input of this number. */
  readonly node: NodeProto
  readonly input?: number
}

/** What rules see of the graph while labels go through it. */
export interface Scope extends LabelScope {
  /** The version of ONNX's operators. */
  readonly opset: number
  /** The node that makes a value; undefined for inputs and constants. */
  maker(name: string): NodeProto | undefined
  /** The nodes that ask for a value; undefined where the caller or an inner graph does as well. */
  users(name: string): readonly NodeProto[] | undefined
  /** Calls a weight with its axes in another order by a name. */
  turn(name: string, weight: string, order: readonly number[]): void
  /** Says that a norm runs over an axis, which stays exact where units of it go. */
  norm(norm: GraphNorm): void
}

/** How an operator moves labels: what its outputs are, or why its inputs stay whole. */
export type Rule = (node: NodeProto, scope: Scope) => readonly (Axes | undefined)[] | string
