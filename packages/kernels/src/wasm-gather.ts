import {
  backend_util,
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelFunc,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core'

type Heap = Float32Array | Int32Array | Uint8Array

/** The part of tfjs-backend-wasm that is used. */
interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: TensorInfo['dtype']): TensorInfo
  typedArrayFromHeap(tensor: TensorInfo): Heap
}

const KERNEL = 'GatherV2'
const BACKEND = 'wasm'

/**
 * Gives tfjs's WebAssembly backend gathers of which each batch has indices of its own (`batchDims` above 0): its kernel goes beyond the indices
 * behind the first batch, and gives what happens to stand there, or fails.
 * Call it once the backend is loaded; again does nothing more.
 */
export const registerWasmGather = (): void => {
  const known = getKernel(KERNEL, BACKEND)
  if (!known || (known.kernelFunc as { readonly inBatches?: true }).inBatches) return
  const gather = known.kernelFunc
  const kernelFunc = Object.assign(
    (call => {
      const { axis, batchDims } = call.attrs as unknown as { readonly axis: number; readonly batchDims: number }
      if (batchDims === 0) return gather(call)
      const { x, indices } = call.inputs as unknown as { readonly x: TensorInfo; readonly indices: TensorInfo }
      return gatherInBatches(call.backend as WasmBackend, x, indices, axis, batchDims)
    }) as KernelFunc,
    { inBatches: true as const },
  )
  unregisterKernel(KERNEL, BACKEND)
  registerKernel({ ...known, kernelFunc })
}

/** x: (batches, outer, extent, slice), indices: (batches, chosen) → (batches, outer, chosen, slice); throws a RangeError for an index that is none. */
const gatherInBatches = (backend: WasmBackend, x: TensorInfo, indices: TensorInfo, axis: number, batchDims: number): TensorInfo => {
  const along = axis < 0 ? axis + x.shape.length : axis
  const info = backend_util.segment_util.collectGatherOpShapeInfo(x as Tensor, indices as Tensor, along, batchDims)
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = info
  const result = backend.makeOutput(outputShape, x.dtype)
  const [from, places, to] = [x, indices, result].map(each => backend.typedArrayFromHeap(each))
  const chosen = places.length / Math.max(1, batchSize)
  for (let batch = 0, at = 0; batch < batchSize; batch++)
    for (let outer = 0; outer < outerSize; outer++)
      for (let i = 0; i < chosen; i++, at += sliceSize) {
        const place = places[batch * chosen + i]
        if (!(place >= 0 && place < dimSize)) throw new RangeError(`GatherV2: the index ${place} is not in 0 to ${dimSize - 1}.`)
        const start = ((batch * outerSize + outer) * dimSize + place) * sliceSize
        for (let j = 0; j < sliceSize; j++) to[at + j] = from[start + j]
      }
  return result
}
