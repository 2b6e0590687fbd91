import { util } from '@tensorflow/tfjs-core'
import { sameShape, sizeOf } from '../shapes.js'
import { pendingNode } from '../trace.js'
import type { OneHotNote } from '../rewrites/notes.js'
import type { Operand, Recorder, Rule, RuleTable } from '../trace-types.js'
import { areFloats } from './are-floats.js'

/** Tells of an index outside the axis as tfjs-cpu does, as far as the indices are known yet. */
function checkIndices(indices: Operand, length: number): void {
  const { values } = indices.value
  if (values === null) return
  for (const index of values as Int32Array)
    if (index < 0 || index >= length) throw new Error(`GatherV2: the index value ${index} is not in [0, ${length - 1}]`)
}

/** y[…, i] = x[…, indices[…, i]]: a gather of its own in every row. */
function gatherInRows(recorder: Recorder, x: Operand, indices: Operand, along: number, batchDims: number): Operand | null {
  const last = x.shape.length - 1
  if (along !== last || batchDims !== last || !sameShape(x.shape.slice(0, -1), indices.shape.slice(0, -1))) return null
  return recorder.record({
    op: 'GatherInRows',
    inputs: [x, indices],
    shape: indices.shape,
    dtype: x.dtype,
    polymorphic: true,
    emit: (graph, names) => graph.op('GatherElements', names, { axis: -1 }),
  })
}

/** The k largest along the last axis, largest first, and where they stand; of equal ones the first. */
const topK: Rule = (recorder, { x }, { k }) => {
  if (!areFloats(x) || x.shape.length === 0 || k < 1) return null
  const last = x.shape.length - 1
  const indices = recorder.record({
    op: 'TopK',
    inputs: [x],
    attributes: `${k}`,
    shape: [...x.shape.slice(0, -1), k],
    dtype: 'int32',
    polymorphic: true,
    emit: (graph, [name]) => graph.cast(graph.many(2, 'TopK', [name, graph.int64([k])])[1], 'int32'),
  })
  return [gatherInRows(recorder, x, indices, last, last)!, indices]
}

const gather: Rule = (recorder, { x, indices }, { axis, batchDims }) => {
  if (indices.dtype !== 'int32' || x.shape.length === 0) return null
  const along = util.parseAxisParam(axis, [...x.shape])[0]
  checkIndices(indices, x.shape[along])
  if (batchDims) return gatherInRows(recorder, x, indices, along, batchDims)
  return recorder.record({
    op: 'Gather',
    inputs: [x, indices],
    attributes: `${along}`,
    shape: [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)],
    dtype: x.dtype,
    polymorphic: true,
    emit: (graph, names) => graph.op('Gather', names, { axis: along }),
  })
}

/**
 * y[s] = sum of the rows i with ids[i] = s, the gradient of gathering.
 * ScatterElements is used because ScatterND adds duplicates from several threads at once.
 * Rows whose id lies outside are sent to an extra row that is cut off, as tfjs-cpu leaves them out.
 */
const segmentSum: Rule = (recorder, { x, segmentIds }, { numSegments }) => {
  if (!areFloats(x) || segmentIds.shape.length !== 1 || segmentIds.dtype !== 'int32') return null
  const rows = segmentIds.shape[0]
  const width = sizeOf(x.shape) / rows
  const shape = [numSegments as number, ...x.shape.slice(1)]
  const result = recorder.record({
    op: 'SegmentSum',
    inputs: [
      { ...x, shape: [rows, width] },
      { ...segmentIds, shape: [rows, 1] },
    ],
    shape: [numSegments, width],
    dtype: 'float32',
    emit(graph, [values, ids]) {
      const last = graph.constant('int32', [], [numSegments])
      const valid = graph.op('And', [graph.op('GreaterOrEqual', [ids, graph.constant('int32', [], [0])]), graph.op('Less', [ids, last])])
      const rowOf = graph.op('Expand', [graph.op('Where', [valid, ids, last]), graph.int64([rows, width])])
      const zeros = graph.op('Expand', [graph.float(0), graph.int64([numSegments + 1, width])])
      const sums = graph.op('ScatterElements', [zeros, rowOf, values], { axis: 0, reduction: 'add' })
      return graph.op('Slice', [sums, graph.int64([0]), graph.int64([numSegments]), graph.int64([0])])
    },
  })
  return { ...result, shape }
}

/** Adds rows of updates into zeros: the same as summing segments when one index says where a row goes. */
const scatterNd: Rule = (recorder, { indices, updates }, { shape }) => {
  const rank = indices.shape.length
  const rows = sizeOf(indices.shape)
  if (!areFloats(updates) || indices.dtype !== 'int32' || rank < 1 || (rank > 1 && indices.shape[rank - 1] !== 1)) return null
  if (rank === 1 && updates.shape.length !== shape.length) return null // the list is one index of several axes
  checkScattered(indices, shape)
  const segments = { x: { ...updates, shape: [rows, ...shape.slice(1)] }, segmentIds: { ...indices, shape: [rows] } }
  return segmentSum(recorder, segments as never, { numSegments: shape[0] })
}

function checkScattered(indices: Operand, shape: readonly number[]): void {
  for (const index of (indices.value.values as Int32Array | null) ?? [])
    if (index < 0 || index >= shape[0]) throw new Error(`Invalid indices: ${index} does not index into ${shape}`)
}

/** Running sums along an axis. */
const cumsum: Rule = (recorder, { x }, { axis, exclusive, reverse }) => {
  if (!areFloats(x) || x.shape.length === 0) return null
  const [along] = util.parseAxisParam(axis, [...x.shape])
  return recorder.record({
    op: 'Cumsum',
    inputs: [x],
    attributes: `${along},${exclusive},${reverse}`,
    shape: x.shape,
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [name]) =>
      graph.op('CumSum', [name, graph.constant('int32', [], [along])], { exclusive: Number(!!exclusive), reverse: Number(!!reverse) }),
  })
}

/** 1 at the index and 0 elsewhere; an index outside gives a row of zeros. */
export function oneHot(recorder: Recorder, indices: Operand, dtype: 'float32' | 'int32', depth: number): Operand {
  return recorder.record({
    op: 'OneHot',
    inputs: [indices],
    attributes: `${depth}${dtype}`,
    shape: [...indices.shape, depth],
    dtype,
    note: { depth } satisfies OneHotNote,
    emit(graph, [name]) {
      const column = graph.reshape(name, [...indices.shape, 1])
      const positions = graph.constant(
        'int32',
        [depth],
        Array.from({ length: depth }, (_, index) => index),
      )
      return graph.cast(graph.op('Equal', [column, positions]), dtype)
    },
  })
}

const oneHotRule: Rule = (recorder, { indices }, { dtype = 'int32', depth, onValue, offValue }) => {
  if (indices.dtype !== 'int32' || onValue !== 1 || offValue !== 0 || (dtype !== 'int32' && dtype !== 'float32') || depth < 1) return null
  return oneHot(recorder, indices, dtype, depth)
}

const cast: Rule = (recorder, { x }, { dtype }) => {
  if (x.dtype === dtype) return x
  if (dtype !== 'float32' && !(dtype === 'int32' && x.dtype === 'bool') && dtype !== 'bool') return null
  const hot = pendingNode(x, 'OneHot')
  if (hot !== null && dtype === 'float32') return oneHot(recorder, hot.inputs[0], 'float32', (hot.note as OneHotNote).depth)
  return recorder.record({
    op: 'Cast',
    inputs: [x],
    attributes: dtype,
    shape: x.shape,
    dtype,
    polymorphic: true,
    emit: (graph, [name]) => graph.cast(name, dtype),
  })
}

export const indexingKernels: RuleTable = {
  GatherV2: gather,
  TopK: topK,
  UnsortedSegmentSum: segmentSum,
  OneHot: oneHotRule,
  Cast: cast,
  ScatterNd: scatterNd,
  Cumsum: cumsum,
}
