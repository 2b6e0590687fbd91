import { pendingNode } from '../trace.js'
import type { Graph } from '../graph.js'
import type { Operand, Recorder, Rule, RuleTable } from '../trace-types.js'
import { areFloats } from './are-floats.js'
import { expand, peel } from './expand.js'

/** How a float function of one operand is written in ONNX. */
type Unary = string | ((graph: Graph, x: string) => string)

/** x itself where u, which is about 1 + x, is 1; `near` where |x| < ½ and `far` elsewhere. */
const nearZero = (graph: Graph, x: string, u: string, near: string, far: string): string => {
  const isNear = graph.op('Less', [graph.op('Abs', [x]), graph.float(0.5)])
  const exact = graph.op('Where', [graph.op('Equal', [u, graph.float(1)]), x, near])
  return graph.op('Where', [isNear, exact, far])
}

const UNARY: Readonly<Record<string, Unary>> = {
  Neg: 'Neg',
  Exp: 'Exp',
  Log: 'Log',
  Sqrt: 'Sqrt',
  Tanh: 'Tanh',
  Sigmoid: 'Sigmoid',
  Relu: 'Relu',
  Erf: 'Erf',
  Abs: 'Abs',
  Reciprocal: 'Reciprocal',
  Sin: 'Sin',
  Cos: 'Cos',
  Softplus: 'Softplus',
  Floor: 'Floor',
  Ceil: 'Ceil',
  Round: 'Round',
  Rsqrt: (graph, x) => graph.op('Reciprocal', [graph.op('Sqrt', [x])]),
  Square: (graph, x) => graph.op('Mul', [x, x]),
  Atan: 'Atan',
  Sign: (graph, x) =>
    graph.op('Sub', [
      graph.cast(graph.op('Greater', [x, graph.float(0)]), 'float32'),
      graph.cast(graph.op('Less', [x, graph.float(0)]), 'float32'),
    ]),
  // With u = 1 + x as it is rounded, log u · x / (u − 1) has the digits of x; far from 0 plain log u has them.
  Log1p: (graph, x) => {
    const u = graph.op('Add', [x, graph.float(1)])
    const log = graph.op('Log', [u])
    return nearZero(graph, x, u, graph.op('Mul', [log, graph.op('Div', [x, graph.op('Sub', [u, graph.float(1)])])]), log)
  },
  // The same with u = eˣ: (u − 1) · x / log u.
  Expm1: (graph, x) => {
    const u = graph.op('Exp', [x])
    const plain = graph.op('Sub', [u, graph.float(1)])
    return nearZero(graph, x, u, graph.op('Mul', [plain, graph.op('Div', [x, graph.op('Log', [u])])]), plain)
  },
}

/** exp(logSoftmax(x)) is softmax(x), which the gradient of a cross entropy asks for. */
function rewriteExp(recorder: Recorder, x: Operand): Operand | null {
  const logSoftmax = pendingNode(x, 'LogSoftmax')
  return logSoftmax === null ? null : softmax(recorder, logSoftmax.inputs[0])
}

/** Softmax over the last axis. */
export function softmax(recorder: Recorder, x: Operand): Operand {
  return recorder.record({
    op: 'Softmax',
    inputs: [x],
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, names) => graph.op('Softmax', names, { axis: -1 }),
  })
}

/** A float function of one operand, computed before broadcasting. */
export function unary(recorder: Recorder, op: string, x: Operand): Operand {
  const source = peel(x)
  const rewritten = op === 'Exp' ? rewriteExp(recorder, source) : null
  const write = UNARY[op]
  const emit = (graph: Graph, names: string[]) => (typeof write === 'string' ? graph.op(write, names) : write(graph, names[0]))
  const result =
    rewritten ??
    recorder.record({ op, inputs: [source], shape: source.shape, dtype: 'float32', polymorphic: true, elementwise: true, emit })
  return expand(recorder, result, x.shape)
}

const unaryRule =
  (op: string): Rule =>
  (recorder, { x }) =>
    areFloats(x) ? unary(recorder, op, x) : null

/** 1 where x > 0, else alpha; NaN stays NaN. */
const step: Rule = (recorder, { x }, { alpha = 0 }) => {
  if (!areFloats(x)) return null
  return recorder.record({
    op: 'Step',
    elementwise: true,
    inputs: [x],
    attributes: `${alpha}`,
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit(graph, [name]) {
      const positive = graph.op('Greater', [name, graph.float(0)])
      const value = alpha === 0 ? graph.cast(positive, 'float32') : graph.op('Where', [positive, graph.float(1), graph.float(alpha)])
      return graph.op('Where', [graph.op('IsNaN', [name]), name, value])
    },
  })
}

const clipByValue: Rule = (recorder, { x }, { clipValueMin, clipValueMax }) => {
  if (!areFloats(x) || Number.isNaN(clipValueMin) || Number.isNaN(clipValueMax)) return null
  return recorder.record({
    op: 'Clip',
    elementwise: true,
    inputs: [x],
    attributes: `${clipValueMin},${clipValueMax}`,
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [name]) => graph.op('Min', [graph.op('Max', [name, graph.float(clipValueMin)]), graph.float(clipValueMax)]),
  })
}

const logicalNot: Rule = (recorder, { x }) =>
  x.dtype === 'bool'
    ? recorder.record({
        op: 'Not',
        inputs: [x],
        shape: x.shape,
        dtype: 'bool',
        polymorphic: true,
        emit: (graph, names) => graph.op('Not', names),
      })
    : null

const softmaxRule: Rule = (recorder, { logits }, { dim }) =>
  areFloats(logits) && dim === logits.shape.length - 1 ? softmax(recorder, logits) : null

export const unaryKernels: RuleTable = {
  ...Object.fromEntries(Object.keys(UNARY).map(op => [op, unaryRule(op)])),
  Step: step,
  ClipByValue: clipByValue,
  LogicalNot: logicalNot,
  Softmax: softmaxRule,
}
