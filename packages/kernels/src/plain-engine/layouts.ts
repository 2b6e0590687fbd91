import { backend_util, slice_util, util, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { asTensor, ofNumbers, roomFor, valuesOf, type Call, type PlainKernel } from './plain-kernel.js'
import { copyStrided, readStrided, stridesOf, type CopiedAxis } from './strided-copy.js'

const inputOf = (call: Call): TensorInfo => (call.inputs as unknown as { readonly x: TensorInfo }).x
const attrsOf = <T>(call: Call): T => call.attrs as unknown as T

/** A dense result of the shape, read from x by the strides of each axis. */
const laidOut = (call: Call, shape: readonly number[], from: readonly number[], start = 0): TensorInfo => {
  const x = inputOf(call)
  return asTensor(call, shape, x.dtype, readStrided(valuesOf(call, x), x.dtype, shape, from, start))
}

const cut = (call: Call, begin: readonly number[], size: readonly number[]): TensorInfo => {
  const strides = stridesOf(inputOf(call).shape)
  const start = begin.reduce((offset, at, axis) => offset + at * strides[axis], 0)
  return laidOut(call, size, strides, start)
}

/** A run of memory stays with tfjs, which copies nothing. */
const slice: PlainKernel = (call, own) => {
  const x = inputOf(call)
  const given = attrsOf<{ readonly begin: number | number[]; readonly size: number | number[] }>(call)
  const [begin, size] = slice_util.parseSliceParams(x as never, given.begin, given.size)
  slice_util.assertParamsValid(x as never, begin, size)
  return !ofNumbers(x) || slice_util.isSliceContinous(x.shape, begin, size) ? own(call) : cut(call, begin, size)
}

const split: PlainKernel = (call, own) => {
  const x = inputOf(call)
  const { numOrSizeSplits, axis } = attrsOf<{ readonly numOrSizeSplits: number | number[]; readonly axis: number }>(call)
  const [along] = util.parseAxisParam(axis, x.shape)
  if (!ofNumbers(x) || sizeOf(x.shape.slice(0, along)) === 1) return own(call)
  const sizes = backend_util.prepareSplitSize(x as never, numOrSizeSplits, along)
  return sizes.map((size, i) => {
    const at = sizes.slice(0, i).reduce((total, each) => total + each, 0)
    return cut(
      call,
      x.shape.map((_, each) => (each === along ? at : 0)),
      x.shape.map((extent, each) => (each === along ? size : extent)),
    )
  })
}

const transpose: PlainKernel = (call, own) => {
  const x = inputOf(call)
  const { perm } = attrsOf<{ readonly perm: readonly number[] }>(call)
  const strides = stridesOf(x.shape)
  if (!ofNumbers(x)) return own(call)
  return laidOut(
    call,
    perm.map(axis => x.shape[axis]),
    perm.map(axis => strides[axis]),
  )
}

/** Each axis is read anew for each repetition: (…, repetition, place, …). */
const tile: PlainKernel = (call, own) => {
  const x = inputOf(call)
  const { reps } = attrsOf<{ readonly reps: readonly number[] }>(call)
  if (!ofNumbers(x)) return own(call)
  const shape = x.shape.map((extent, axis) => extent * reps[axis])
  const [from, to] = [stridesOf(x.shape), stridesOf(shape)]
  const axes = x.shape.flatMap((extent, axis): CopiedAxis[] => [
    { extent: reps[axis], from: 0, to: extent * to[axis] },
    { extent, from: from[axis], to: to[axis] },
  ])
  const target = roomFor(x.dtype, sizeOf(shape))
  copyStrided(valuesOf(call, x), target, axes)
  return asTensor(call, shape, x.dtype, target)
}

const pad: PlainKernel = (call, own) => {
  const x = inputOf(call)
  const { paddings, constantValue } = attrsOf<{ readonly paddings: readonly [number, number][]; readonly constantValue: number }>(call)
  if (!ofNumbers(x)) return own(call)
  const shape = x.shape.map((extent, axis) => paddings[axis][0] + extent + paddings[axis][1])
  const [from, to] = [stridesOf(x.shape), stridesOf(shape)]
  const start = paddings.reduce((offset, [before], axis) => offset + before * to[axis], 0)
  const target = roomFor(x.dtype, sizeOf(shape))
  if (constantValue !== 0) target.fill(constantValue)
  copyStrided(
    valuesOf(call, x),
    target,
    x.shape.map((extent, axis) => ({ extent, from: from[axis], to: to[axis] })),
    0,
    start,
  )
  return asTensor(call, shape, x.dtype, target)
}

/** Kernels that only move values. */
export const LAYOUTS: Readonly<Record<string, PlainKernel>> = { Slice: slice, SplitV: split, Transpose: transpose, Tile: tile, PadV2: pad }
