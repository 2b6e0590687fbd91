import type { BackendValues, DataType, TensorInfo } from '@tensorflow/tfjs-core'
import type { DType, Shape } from './dtype.js'
import type { Graph } from './graph.js'

export type { DType, Shape }
export type NativeArray = Float32Array | Int32Array | Uint8Array

/** What tfjs's data map holds for a tensor: an array, or the trace node that will make it. */
export interface Value {
  values: BackendValues | null
  dtype: DataType
  refCount: number
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo }
  /** The tfjs data id, once a tensor owned the value. */
  id?: object
  /** Whether a live tensor owns it: such a value is an output of the next flush. */
  owned: boolean
  /** The trace node that makes it; null once it is materialised. */
  node: TraceNode | null
  /** How many pending nodes read it: its array may not be recycled before they ran. */
  pins: number
  /** A float scalar written by the user, such as the 0.5 in tf.mul(x, 0.5): a candidate for a constant of the graph. */
  literal: boolean
  /** A number of its own, once it stands in graphs as a constant instead of being fed. */
  embedded?: number
  /** Why its flush failed, told again when it is read. */
  failure?: unknown
}

/** A value in the shape in which it is used; reshaping makes a new operand over the same value. */
export interface Operand {
  readonly value: Value
  readonly shape: Shape
  readonly dtype: DType
}

export type Emit = (graph: Graph, inputs: string[]) => string
/** Computes the node in JavaScript, for moves of data that cost less than a session. */
export type Host = (inputs: NativeArray[], take: (dtype: DType, length: number) => NativeArray) => NativeArray

/** What a kernel rule records. */
export interface NodeSpec {
  readonly op: string
  readonly inputs: readonly Operand[]
  readonly shape: Shape
  readonly dtype: DType
  /** Everything besides shapes that the emitted ONNX depends on, as text. */
  readonly attributes?: string
  readonly emit: Emit
  /** True when `emit` mentions no shape, so that one session serves every shape of the same rank. */
  readonly polymorphic?: boolean
  readonly host?: Host
  /** True when element i of the result depends on element i of the operands only, whatever their common layout. */
  readonly elementwise?: boolean
  /** The same over the blocked layout of its first operand; see `blocks.ts`. */
  readonly emitBlocked?: Emit
  /** What later rewrites want to know. */
  readonly note?: unknown
}

export interface TraceNode extends NodeSpec {
  readonly attributes: string
  /** Replaced by rewrites that learn more later; see `softmax-gradient.ts`. */
  note?: unknown
  readonly value: Value
  /** Position among the live nodes of a flush. */
  index: number
  live: boolean
}

export interface Recorder {
  /** Channels in a block of ONNX Runtime's convolution layout; 1 where there are none. */
  readonly block: number
  record(spec: NodeSpec): Operand
}

/** Records an elementwise operation of two operands. */
export type Binary = (recorder: Recorder, op: string, a: Operand, b: Operand) => Operand

/** Operands by the names tfjs gives them, or by position for kernels such as Concat. */
export type RuleInputs = Readonly<Record<string, Operand>>

/**
 * One row of the kernel table: how a tfjs kernel becomes ONNX nodes.
 * It gives null for the cases it leaves to tfjs-cpu.
 */
export type Rule = (recorder: Recorder, inputs: RuleInputs, attributes: any) => Operand | readonly Operand[] | null
export type RuleTable = Readonly<Record<string, Rule>>
