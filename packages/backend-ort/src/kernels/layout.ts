import { backend_util, slice_util, util } from '@tensorflow/tfjs-core'
import type { TensorInfo } from '@tensorflow/tfjs-core'
import { sameShape, sizeOf, sliceKey } from '../shapes.js'
import { rewriteRotary } from '../rewrites/rotary.js'
import type { Operand, Recorder, Rule, RuleTable, Shape } from '../trace-types.js'
import { expand } from './expand.js'
import { copyConcat, copySlice } from './copy.js'

/** The part of x that starts at `begin`. */
export function slice(recorder: Recorder, x: Operand, begin: Shape, size: Shape): Operand {
  return recorder.record({
    op: 'Slice',
    inputs: [x],
    attributes: sliceKey(begin, size),
    shape: size,
    dtype: x.dtype,
    host: copySlice(x.shape, begin, size),
    emit(graph, [name]) {
      const axes = [...begin.keys()].filter(axis => begin[axis] !== 0 || size[axis] !== x.shape[axis])
      if (axes.length === 0) return graph.op('Identity', [name])
      const starts = graph.int64(axes.map(axis => begin[axis]))
      const ends = graph.int64(axes.map(axis => begin[axis] + size[axis]))
      return graph.op('Slice', [name, starts, ends, graph.int64(axes)])
    },
  })
}

export function concat(recorder: Recorder, parts: readonly Operand[], axis: number): Operand {
  const shape = [...parts[0].shape]
  shape[axis] = parts.reduce((total, part) => total + part.shape[axis], 0)
  return recorder.record({
    op: 'Concat',
    inputs: parts,
    attributes: `${axis}`,
    shape,
    dtype: parts[0].dtype,
    host: copyConcat(
      parts.map(part => part.shape),
      axis,
    ),
    emit: (graph, names) => graph.op('Concat', names, { axis }),
  })
}

export function transpose(recorder: Recorder, x: Operand, permutation: readonly number[]): Operand {
  return recorder.record({
    op: 'Transpose',
    inputs: [x],
    attributes: `${permutation}`,
    shape: permutation.map(axis => x.shape[axis]),
    dtype: x.dtype,
    polymorphic: true,
    emit: (graph, names) => graph.op('Transpose', names, { perm: [...permutation] }),
  })
}

const sliceRule: Rule = (recorder, { x }, { begin, size }) => {
  if (x.shape.length === 0) return null
  const info = { shape: [...x.shape] } as TensorInfo
  const [from, extent] = slice_util.parseSliceParams(info as never, begin, size)
  slice_util.assertParamsValid(info as never, from, extent)
  return sizeOf(extent) === 0 ? null : slice(recorder, x, from, extent)
}

const splitRule: Rule = (recorder, { x }, { numOrSizeSplits, axis }) => {
  const along = util.parseAxisParam(axis, [...x.shape])[0]
  const sizes = backend_util.prepareSplitSize({ shape: x.shape } as never, numOrSizeSplits, along)
  if (sizes.includes(0)) return null
  let start = 0
  return sizes.map(length => {
    const begin = x.shape.map((_, at) => (at === along ? start : 0))
    start += length
    return slice(
      recorder,
      x,
      begin,
      x.shape.map((whole, at) => (at === along ? length : whole)),
    )
  })
}

const concatRule: Rule = (recorder, inputs, { axis }) => {
  const parts = Object.values(inputs)
  if (parts.length < 2 || parts.some(part => part.dtype !== parts[0].dtype)) return null
  const along = util.parseAxisParam(axis, [...parts[0].shape])[0]
  backend_util.assertParamsConsistent(
    parts.map(part => [...part.shape]),
    along,
  )
  return rewriteRotary(recorder, parts, along) ?? concat(recorder, parts, along)
}

/** Stacking is concatenation of parts with one axis more. */
const packRule: Rule = (recorder, inputs, { axis }) => {
  const parts = Object.values(inputs)
  if (!parts.every(part => sameShape(part.shape, parts[0].shape))) return null
  if (parts.length < 2 || parts.some(part => part.dtype !== parts[0].dtype)) return null
  const widened = parts.map(part => ({ ...part, shape: [...part.shape.slice(0, axis), 1, ...part.shape.slice(axis)] }))
  return concat(recorder, widened, axis)
}

const unpackRule: Rule = (recorder, { value }, { axis }) => {
  const { shape } = value
  const along = axis < 0 ? axis + shape.length : axis
  const size = shape.map((whole, at) => (at === along ? 1 : whole))
  const kept = shape.filter((_, at) => at !== along)
  return Array.from({ length: shape[along] }, (_, start) => {
    const begin = shape.map((_, at) => (at === along ? start : 0))
    return { ...slice(recorder, value, begin, size), shape: kept }
  })
}

const padRule: Rule = (recorder, { x }, { paddings, constantValue }) => {
  if (x.dtype !== 'float32' || x.shape.length === 0) return null
  const pads = paddings as readonly (readonly [number, number])[]
  return recorder.record({
    op: 'Pad',
    inputs: [x],
    attributes: `${pads},${constantValue}`,
    shape: pads.map(([before, after], axis) => before + x.shape[axis] + after),
    dtype: 'float32',
    polymorphic: true,
    emit: (graph, [name]) =>
      graph.op('Pad', [name, graph.int64([...pads.map(pad => pad[0]), ...pads.map(pad => pad[1])]), graph.float(constantValue)]),
  })
}

/** Repeating axes of length 1 is broadcasting, which consumers look through. */
const tileRule: Rule = (recorder, { x }, { reps }) => {
  const shape = x.shape.map((length, axis) => length * reps[axis])
  if (sizeOf(shape) === 0) return null
  if (x.shape.every((length, axis) => length === 1 || reps[axis] === 1)) return expand(recorder, x, shape)
  return recorder.record({
    op: 'Tile',
    inputs: [x],
    attributes: `${reps}`,
    shape,
    dtype: x.dtype,
    polymorphic: true,
    emit: (graph, [name]) => graph.op('Tile', [name, graph.int64(reps)]),
  })
}

const reshapeRule: Rule = (_recorder, { x }, { shape }) => {
  const wanted = util.inferFromImplicitShape(shape, sizeOf(x.shape))
  util.assert(
    sizeOf(wanted) === sizeOf(x.shape),
    () =>
      `The new shape (${wanted}) has ${sizeOf(wanted)} elements and the old shape (${x.shape}) has ${sizeOf(x.shape)}.\nThey must be equal.`,
  )
  return { ...x, shape: wanted }
}

const expandDimsRule: Rule = (_recorder, { input }, { dim }) => {
  const { shape } = input
  util.assert(-(shape.length + 1) <= dim, () => `Axis must be in the interval [${-(shape.length + 1)}, ${shape.length}]`)
  const at = dim < 0 ? shape.length + 1 + dim : dim
  return { ...input, shape: [...shape.slice(0, at), 1, ...shape.slice(at)] }
}

/** Reverses axes by slices with a negative step. */
const reverseRule: Rule = (recorder, { x }, { dims }) => {
  const axes = util.parseAxisParam(dims, [...x.shape])
  if (x.shape.length === 0 || axes.length === 0) return null
  return recorder.record({
    op: 'Reverse',
    inputs: [x],
    attributes: `${axes}`,
    shape: x.shape,
    dtype: x.dtype,
    polymorphic: true,
    emit: (graph, [name]) => {
      const all = (value: number) => graph.int64(axes.map(() => value))
      return graph.op('Slice', [name, all(-1), all(-1_000_000_000_000), graph.int64(axes), all(-1)])
    },
  })
}

const transposeRule: Rule = (recorder, { x }, { perm }) => transpose(recorder, x, perm)

export const layoutKernels: RuleTable = {
  Reshape: reshapeRule,
  Identity: (_recorder, { x }) => x,
  ExpandDims: expandDimsRule,
  Transpose: transposeRule,
  Slice: sliceRule,
  SplitV: splitRule,
  Concat: concatRule,
  Pack: packRule,
  Unpack: unpackRule,
  PadV2: padRule,
  Tile: tileRule,
  Reverse: reverseRule,
}
