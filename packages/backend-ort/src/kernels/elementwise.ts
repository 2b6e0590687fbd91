import { broadcastShape } from '../shapes.js'
import type { Operand, Recorder, Rule, RuleTable, Shape } from '../trace-types.js'
import { rewriteBinary } from '../rewrites/binary.js'
import { areFloats } from './are-floats.js'
import { expand, peel } from './expand.js'

/** Float arithmetic: tfjs kernel → ONNX operator. */
const ARITHMETIC: Readonly<Record<string, string>> = {
  Add: 'Add',
  Sub: 'Sub',
  Multiply: 'Mul',
  RealDiv: 'Div',
  Maximum: 'Max',
  Minimum: 'Min',
  Pow: 'Pow',
}
const COMPARISON: Readonly<Record<string, string>> = {
  Greater: 'Greater',
  GreaterEqual: 'GreaterOrEqual',
  Less: 'Less',
  LessEqual: 'LessOrEqual',
  Equal: 'Equal',
}
const LOGICAL: Readonly<Record<string, string>> = { LogicalAnd: 'And', LogicalOr: 'Or' }

function recordBinary(recorder: Recorder, op: string, onnx: string, a: Operand, b: Operand, shape: Shape, dtype: Operand['dtype']) {
  return recorder.record({
    op,
    inputs: [a, b],
    shape,
    dtype,
    polymorphic: true,
    elementwise: true,
    emit: (graph, names) => graph.op(onnx, names),
  })
}

/** An elementwise operation of two operands, computed on their smallest forms and broadcast afterwards. */
export function binary(recorder: Recorder, op: string, a: Operand, b: Operand): Operand {
  const full = broadcastShape(a.shape, b.shape)
  const x = peel(a)
  const y = peel(b)
  const small = broadcastShape(x.shape, y.shape)
  const onnx = ARITHMETIC[op] ?? COMPARISON[op] ?? LOGICAL[op]
  const dtype = op in ARITHMETIC ? a.dtype : 'bool'
  const rewritten = a.dtype === 'float32' ? rewriteBinary(recorder, op, x, y, small, binary) : null
  const result = rewritten ?? recordBinary(recorder, op, onnx, x, y, small, dtype)
  return expand(recorder, result, full)
}

/** What ONNX Runtime computes of whole numbers as JavaScript does. */
const ON_INTEGERS: ReadonlySet<string> = new Set(['Add', 'Sub', 'Multiply', 'Maximum', 'Minimum', ...Object.keys(COMPARISON)])

const areIntegers = (...operands: readonly Operand[]): boolean => operands.every(({ dtype }) => dtype === 'int32')

const numberRule =
  (op: string): Rule =>
  (recorder, { a, b }) =>
    areFloats(a, b) || (ON_INTEGERS.has(op) && areIntegers(a, b)) ? binary(recorder, op, a, b) : null

const logicalRule =
  (op: string): Rule =>
  (recorder, { a, b }) =>
    a.dtype === 'bool' && b.dtype === 'bool' ? binary(recorder, op, a, b) : null

const squaredDifference: Rule = (recorder, { a, b }) => {
  if (!areFloats(a, b)) return null
  const difference = binary(recorder, 'Sub', a, b)
  return binary(recorder, 'Multiply', difference, difference)
}

/** not (a = b), which is true for NaN as in JavaScript. */
const notEqual: Rule = (recorder, { a, b }) => {
  if (!areFloats(a, b)) return null
  const shape = broadcastShape(a.shape, b.shape)
  return recorder.record({
    op: 'NotEqual',
    inputs: [a, b],
    shape,
    dtype: 'bool',
    polymorphic: true,
    emit: (graph, names) => graph.op('Not', [graph.op('Equal', names)]),
  })
}

/** The remainder with the sign of the divisor. */
const mod: Rule = (recorder, { a, b }) => {
  if (!areFloats(a, b)) return null
  return recorder.record({
    op: 'Mod',
    inputs: [a, b],
    shape: broadcastShape(a.shape, b.shape),
    dtype: 'float32',
    polymorphic: true,
    emit(graph, [x, y]) {
      const remainder = (of: string) => graph.op('Mod', [of, y], { fmod: 1 })
      const isNegative = (of: string) => graph.op('Less', [of, graph.float(0)])
      const truncated = remainder(x)
      const unlike = graph.op('Xor', [isNegative(x), isNegative(y)])
      return graph.op('Where', [unlike, remainder(graph.op('Add', [truncated, y])), truncated])
    },
  })
}

const select: Rule = (recorder, { condition, t, e }) => {
  if (!areFloats(t, e) || condition.dtype !== 'bool' || condition.shape.length !== t.shape.length) return null
  const inputs = [peel(condition), peel(t), peel(e)]
  const small = inputs.reduce((shape: Shape, input) => broadcastShape(shape, input.shape), inputs[0].shape)
  const chosen = recorder.record({
    op: 'Where',
    inputs,
    shape: small,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, names) => graph.op('Where', names),
  })
  return expand(recorder, chosen, t.shape)
}

const addN: Rule = (recorder, inputs) => {
  const list = Object.values(inputs)
  if (!areFloats(...list)) return null
  return recorder.record({
    op: 'AddN',
    elementwise: true,
    inputs: list,
    shape: list[0].shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, names) => graph.op('Sum', names),
  })
}

const rulesOf = (names: object, rule: (op: string) => Rule) => Object.fromEntries(Object.keys(names).map(op => [op, rule(op)]))

export const elementwiseKernels: RuleTable = {
  ...rulesOf(ARITHMETIC, numberRule),
  ...rulesOf(COMPARISON, numberRule),
  ...rulesOf(LOGICAL, logicalRule),
  SquaredDifference: squaredDifference,
  NotEqual: notEqual,
  Mod: mod,
  Select: select,
  AddN: addN,
}
