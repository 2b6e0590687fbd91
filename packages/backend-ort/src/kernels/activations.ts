import type { AttributeValue, Graph } from '../graph.js'
import { broadcastShape } from '../shapes.js'
import type { Rule, RuleTable } from '../trace-types.js'
import { areFloats } from './are-floats.js'

type Write = (graph: Graph, x: string) => string

const simple =
  (op: string, write: Write, attributes = ''): Rule =>
  (recorder, { x }) =>
    areFloats(x)
      ? recorder.record({
          op,
          inputs: [x],
          attributes,
          shape: x.shape,
          dtype: 'float32',
          polymorphic: true,
          emit: (graph, [name]) => write(graph, name),
        })
      : null

const named =
  (op: string, attributes: Record<string, AttributeValue> = {}): Write =>
  (graph, x) =>
    graph.op(op, [x], attributes)

const relu6: Write = (graph, x) => graph.op('Min', [graph.op('Max', [x, graph.float(0)]), graph.float(6)])

/** Activations that tfjs may fuse into a product or a convolution. */
const FUSED: Readonly<Record<string, Write>> = {
  linear: (_graph, x) => x,
  relu: named('Relu'),
  relu6,
  sigmoid: named('Sigmoid'),
  elu: named('Elu'),
}

export const knowsActivation = (name = 'linear'): boolean => Object.hasOwn(FUSED, name)

/** A value behind an activation that `knowsActivation` knows. */
export const activated = (graph: Graph, x: string, name = 'linear'): string => FUSED[name](graph, x)

const leakyRelu: Rule = (recorder, inputs, { alpha }) =>
  simple('LeakyRelu', named('LeakyRelu', { alpha: { float: alpha } }), `${alpha}`)(recorder, inputs, {})

/** x where it is at least 0, else alpha · x. */
const prelu: Rule = (recorder, { x, alpha }) => {
  if (!areFloats(x, alpha)) return null
  return recorder.record({
    op: 'Prelu',
    inputs: [x, alpha],
    shape: broadcastShape(x.shape, alpha.shape),
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [name, slope]) => graph.op('Where', [graph.op('Less', [name, graph.float(0)]), graph.op('Mul', [name, slope]), name]),
  })
}

const test =
  (op: string, emit: Write): Rule =>
  (recorder, { x }) =>
    areFloats(x)
      ? recorder.record({ op, inputs: [x], shape: x.shape, dtype: 'bool', polymorphic: true, emit: (graph, [name]) => emit(graph, name) })
      : null

export const activationKernels: RuleTable = {
  LeakyRelu: leakyRelu,
  Prelu: prelu,
  Relu6: simple('Relu6', relu6),
  Elu: simple('Elu', named('Elu')),
  IsNan: test('IsNaN', named('IsNaN')),
  IsInf: test('IsInf', named('IsInf')),
  // x − x is 0 but for infinities and NaN.
  IsFinite: test('IsFinite', (graph, x) => graph.op('Equal', [graph.op('Sub', [x, x]), graph.float(0)])),
}
