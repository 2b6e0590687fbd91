import { backend_util, util, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { gatherRows } from '../gather-rows.js'
import { asTensor, ofNumbers, roomFor, valuesOf, type PlainKernel } from './plain-kernel.js'

const gather: PlainKernel = (call, own) => {
  const { x, indices } = call.inputs as unknown as { readonly x: TensorInfo; readonly indices: TensorInfo }
  const { axis, batchDims } = call.attrs as unknown as { readonly axis: number; readonly batchDims?: number }
  const [along] = util.parseAxisParam(axis, x.shape)
  const places = valuesOf(call, indices)
  if (!ofNumbers(x) || places.some(place => !(place >= 0 && place < x.shape[along]))) return own(call) // which says what is wrong
  const info = backend_util.segment_util.collectGatherOpShapeInfo(x as never, indices as never, along, batchDims ?? 0)
  const target = roomFor(x.dtype, sizeOf(info.outputShape))
  gatherRows(valuesOf(call, x), places, target, info)
  return asTensor(call, info.outputShape, x.dtype, target)
}

/** x: (entries, …), segmentIds: (entries) → (segments, …), in one pass over x in place of one for each segment; sums in 64 bits, as tfjs. */
const segmentSum: PlainKernel = (call, own) => {
  const { x, segmentIds } = call.inputs as unknown as { readonly x: TensorInfo; readonly segmentIds: TensorInfo }
  const { numSegments } = call.attrs as unknown as { readonly numSegments: number }
  if (x.dtype !== 'float32' || segmentIds.shape.length !== 1 || x.shape.length === 0) return own(call)
  const [values, ids, width] = [valuesOf(call, x), valuesOf(call, segmentIds), sizeOf(x.shape.slice(1))]
  const sums = new Float64Array(numSegments * width)
  ids.forEach((id, entry) => {
    if (id < 0 || id >= numSegments) return
    for (let i = 0; i < width; i++) sums[id * width + i] += values[entry * width + i]
  })
  return asTensor(call, [numSegments, ...x.shape.slice(1)], 'float32', Float32Array.from(sums))
}

/** Kernels that read or write rows by their indices. */
export const INDEXING: Readonly<Record<string, PlainKernel>> = { GatherV2: gather, UnsortedSegmentSum: segmentSum }
