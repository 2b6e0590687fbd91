import {
  backend_util,
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelFunc,
  type Tensor,
  type TensorInfo,
} from '@tensorflow/tfjs-core'
import { gatherRows } from './gather-rows.js'

/** The part of tfjs-backend-wasm that is used. */
interface WasmBackend {
  makeOutput(shape: readonly number[], dtype: TensorInfo['dtype']): TensorInfo
  typedArrayFromHeap(tensor: TensorInfo): Float32Array | Int32Array | Uint8Array
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

const gatherInBatches = (backend: WasmBackend, x: TensorInfo, indices: TensorInfo, axis: number, batchDims: number): TensorInfo => {
  const along = axis < 0 ? axis + x.shape.length : axis
  const info = backend_util.segment_util.collectGatherOpShapeInfo(x as Tensor, indices as Tensor, along, batchDims)
  const result = backend.makeOutput(info.outputShape, x.dtype)
  gatherRows(backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(indices), backend.typedArrayFromHeap(result), info)
  return result
}
