import { backend_util, type Tensor, type TensorInfo } from '@tensorflow/tfjs-core'
import { gatherRows } from './gather-rows.js'
import { replaceKernel } from './replace-kernel.js'

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
export const registerWasmGather = (): void =>
  replaceKernel(KERNEL, BACKEND, own => call => {
    const { axis, batchDims } = call.attrs as unknown as { readonly axis: number; readonly batchDims: number }
    if (batchDims === 0) return own(call)
    const { x, indices } = call.inputs as unknown as { readonly x: TensorInfo; readonly indices: TensorInfo }
    return gatherInBatches(call.backend as WasmBackend, x, indices, axis, batchDims)
  })

const gatherInBatches = (backend: WasmBackend, x: TensorInfo, indices: TensorInfo, axis: number, batchDims: number): TensorInfo => {
  const along = axis < 0 ? axis + x.shape.length : axis
  const info = backend_util.segment_util.collectGatherOpShapeInfo(x as Tensor, indices as Tensor, along, batchDims)
  const result = backend.makeOutput(info.outputShape, x.dtype)
  gatherRows(backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(indices), backend.typedArrayFromHeap(result), info)
  return result
}
