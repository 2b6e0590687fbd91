import { util } from '@tensorflow/tfjs-core'
import { rewriteSum } from '../rewrites/sum.js'
import type { Graph } from '../graph.js'
import type { Operand, Recorder, Rule, RuleTable, Shape } from '../trace-types.js'
import { areFloats } from './are-floats.js'

const REDUCTION: Readonly<Record<string, string>> = { Sum: 'ReduceSum', Mean: 'ReduceMean', Max: 'ReduceMax', Min: 'ReduceMin' }

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  if (keepDims) return shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
  return shape.filter((_, axis) => !axes.includes(axis))
}

/** Attribute text of a reduction, which rewrites recognise. */
export const reductionKey = (axes: readonly number[], keepDims: boolean) => `${axes}${keepDims ? 'k' : ''}`

/** NaN where any element is NaN: ONNX Runtime's extremes may pass it over. */
function withNaN(graph: Graph, x: string, reduced: string, axes: readonly number[], keepdims: number): string {
  const found = graph.op('ReduceMax', [graph.cast(graph.op('IsNaN', [x]), 'float32')], { axes: [...axes], keepdims })
  return graph.op('Where', [graph.op('Greater', [found, graph.float(0)]), graph.float(NaN), reduced])
}

/** A reduction over axes given in ascending order. */
export function reduce(recorder: Recorder, op: string, x: Operand, axes: readonly number[], keepDims: boolean): Operand {
  const shape = reducedShape(x.shape, axes, keepDims)
  const rewritten = op === 'Sum' ? rewriteSum(recorder, x, axes, shape) : null
  if (rewritten !== null) return rewritten
  const keepdims = Number(keepDims)
  const onnx = REDUCTION[op]
  return recorder.record({
    op,
    inputs: [x],
    attributes: reductionKey(axes, keepDims),
    shape,
    dtype: 'float32',
    polymorphic: true,
    emit(graph, [name]) {
      if (onnx === 'ReduceSum') return graph.op(onnx, [name, graph.int64(axes)], { keepdims })
      const reduced = graph.op(onnx, [name], { axes: [...axes], keepdims })
      return op === 'Mean' ? reduced : withNaN(graph, name, reduced, axes, keepdims)
    },
  })
}

const reductionRule =
  (op: string): Rule =>
  (recorder, { x }, { axis, reductionIndices, keepDims }) => {
    const axes = [...util.parseAxisParam(axis ?? reductionIndices, [...x.shape])].sort((p, q) => p - q)
    return areFloats(x) && axes.length > 0 ? reduce(recorder, op, x, axes, !!keepDims) : null
  }

/** Whether any, or all, of the booleans along some axes hold. */
const quantifierRule =
  (op: 'Any' | 'All'): Rule =>
  (recorder, { x }, { axis, keepDims }) => {
    const axes = [...util.parseAxisParam(axis, [...x.shape])].sort((p, q) => p - q)
    if (x.dtype !== 'bool' || axes.length === 0) return null
    return recorder.record({
      op,
      inputs: [x],
      attributes: reductionKey(axes, !!keepDims),
      shape: reducedShape(x.shape, axes, !!keepDims),
      dtype: 'bool',
      polymorphic: true,
      emit: (graph, [name]) => {
        const reduced = graph.op(op === 'Any' ? 'ReduceMax' : 'ReduceMin', [graph.cast(name, 'int32')], {
          axes,
          keepdims: Number(!!keepDims),
        })
        return graph.cast(reduced, 'bool')
      },
    })
  }

/** The first position of the largest or smallest value; NaN is passed over. */
const positionRule =
  (op: string): Rule =>
  (recorder, { x }, { axis }) => {
    const [along] = util.parseAxisParam(axis, [...x.shape])
    if (!areFloats(x) || along === undefined) return null
    return recorder.record({
      op,
      inputs: [x],
      attributes: `${along}`,
      shape: reducedShape(x.shape, [along], false),
      dtype: 'int32',
      polymorphic: true,
      emit(graph, [name]) {
        const last = graph.float(op === 'ArgMax' ? -Infinity : Infinity)
        const numbers = graph.op('Where', [graph.op('IsNaN', [name]), last, name])
        return graph.cast(graph.op(op, [numbers], { axis: along, keepdims: 0 }), 'int32')
      },
    })
  }

export const reductionKernels: RuleTable = {
  ...Object.fromEntries(Object.keys(REDUCTION).map(op => [op, reductionRule(op)])),
  Any: quantifierRule('Any'),
  All: quantifierRule('All'),
  ArgMax: positionRule('ArgMax'),
  ArgMin: positionRule('ArgMin'),
}
