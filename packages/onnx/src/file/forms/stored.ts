import type { Dense, DType } from '@tersor/tensor'
import type { Refusal } from '@tersor/formats/internal/files/refusal'
import type { GraphBuilder } from '../build.js'

/** How grids of codes are stored. */
export type OnnxForm = 'MatMulNBits' | 'QDQ' | 'dynamic'

/** Where a weight's data goes and how the graph around it computes. */
export interface Target {
  readonly form: OnnxForm
  /** What the graph computes in. */
  readonly float: 'f32' | 'f16'
  /** The version of ONNX's operators in the graph. */
  readonly opset: number
  /** Stores the data of an initializer under a name that it makes sure nobody else has, and gives that name. */
  write(name: string, tensor: Dense): Promise<string>
  /** Attributes that the weight's node had, for the form that it had. */
  readonly attributes?: Readonly<Record<string, number>>
  /** What plain weights are rounded to; where absent they stay as they are, as matrices of narrower floats do, and are widened when the graph runs. */
  readonly convert?: DType
}

/** Where a matrix (out, in) belongs: the shape of its initializer, and the axis of the outputs in it. */
export interface Place {
  readonly name: string
  readonly shape: readonly number[]
  readonly outAxis: number
}

/** A weight whose data is stored: how the graph uses it. */
export interface Stored {
  /** x · Wᵀ for x (…, in). */
  product(graph: GraphBuilder, x: string): string
  /** The weight itself in the shape of its place; absent for forms that only multiply. */
  value?(graph: GraphBuilder): string
  /** Bits of its codes; absent for plain weights. */
  readonly bits?: number
  /** The version of ONNX's operators that it takes; any where absent. */
  readonly opset?: number
  /** The version of the file format that its element types take; any where absent. */
  readonly ir?: number
}

/** Stores a matrix, or says why it has no place. */
export type Store<T> = (matrix: T, place: Place, target: Target) => Promise<Stored | Refusal>

/** A weight as (in, out), whichever way it is stored. */
export const inputsFirst = (graph: GraphBuilder, weight: string, outAxis: number): string =>
  outAxis === 0 ? graph.op('Transpose', [weight], { attributes: { perm: [1, 0] } }) : weight
