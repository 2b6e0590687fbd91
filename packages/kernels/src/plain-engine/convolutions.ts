import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { asTensor, valuesOf, type PlainKernel } from './plain-kernel.js'

interface FilterGradient {
  readonly strides: number | [number, number]
  readonly pad: 'valid' | 'same' | number
  readonly dataFormat: 'NHWC' | 'NCHW'
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil'
  readonly filterShape: [number, number, number, number]
}

/** The first output that a place of a filter reads an input for, and the first behind the last. */
const readBy = (place: number, { stride, pad, size, outputs }: { stride: number; pad: number; size: number; outputs: number }) =>
  [Math.max(0, Math.ceil((pad - place) / stride)), Math.min(outputs, Math.ceil((size + pad - place) / stride))] as const

/** Σ over images, rows and columns of x (batch, rows, columns, in) · dy (batch, rows, columns, out), in 64 bits and tfjs's order. */
const filterGradient: PlainKernel = (call, own) => {
  const { x, dy } = call.inputs as unknown as { readonly x: TensorInfo; readonly dy: TensorInfo }
  const { strides, pad, dataFormat, dimRoundingMode, filterShape } = call.attrs as unknown as FilterGradient
  if (dataFormat !== 'NHWC' || x.dtype !== 'float32' || dy.dtype !== 'float32') return own(call)
  const info = backend_util.computeConv2DInfo(x.shape as typeof filterShape, filterShape, strides, 1, pad, dimRoundingMode)
  const [values, gradients] = [valuesOf(call, x), valuesOf(call, dy)]
  const { inChannels, outChannels, outHeight, outWidth, inHeight, inWidth, strideHeight, strideWidth } = info
  const { top, left } = info.padInfo
  const sums = new Float64Array(sizeOf(filterShape))
  for (let row = 0; row < info.filterHeight; row++) {
    const [firstRow, endRow] = readBy(row, { stride: strideHeight, pad: top, size: inHeight, outputs: outHeight })
    for (let column = 0; column < info.filterWidth; column++) {
      const [firstColumn, endColumn] = readBy(column, { stride: strideWidth, pad: left, size: inWidth, outputs: outWidth })
      const place = (row * info.filterWidth + column) * inChannels * outChannels
      for (let batch = 0; batch < info.batchSize; batch++)
        for (let y = firstRow; y < endRow; y++)
          for (let z = firstColumn; z < endColumn; z++) {
            const input = ((batch * inHeight + row + y * strideHeight - top) * inWidth + column + z * strideWidth - left) * inChannels
            const output = ((batch * outHeight + y) * outWidth + z) * outChannels
            for (let i = 0, at = place; i < inChannels; i++)
              for (let o = 0; o < outChannels; o++) sums[at++] += values[input + i] * gradients[output + o]
          }
    }
  }
  return asTensor(call, filterShape, 'float32', Float32Array.from(sums))
}

/** Kernels of convolutions. */
export const CONVOLUTIONS: Readonly<Record<string, PlainKernel>> = { Conv2DBackpropFilter: filterGradient }
