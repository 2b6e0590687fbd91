import type { Axes } from '@tersor/models/internal/imported/couplings/axes'
import type { LabelScope } from '@tersor/models/internal/imported/couplings/weight-labels'
import type { NodeProto } from '../file/schema/onnx-ml_pb.js'

export type { Role } from '@tersor/models/internal/imported/couplings/weight-labels'

/** What rules see of the graph while labels go through it. */
export interface Scope extends LabelScope {
  /** The version of ONNX's operators. */
  readonly opset: number
}

/** How an operator moves labels: what its outputs are, or why its inputs stay whole. */
export type Rule = (node: NodeProto, scope: Scope) => readonly (Axes | undefined)[] | string
