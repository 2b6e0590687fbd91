import type { Native, NativeTensor } from './binding.js'
import { newArray, type BufferPool } from './buffers.js'
import type { DType, NativeArray, Operand } from './trace-types.js'

/** ONNX Runtime takes no memory that threads share. */
const isShared = ({ buffer }: NativeArray): boolean => typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer

function fits(values: NativeArray, dtype: DType): boolean {
  if (isShared(values)) return false
  if (dtype === 'float32') return values instanceof Float32Array
  return dtype === 'int32' ? values instanceof Int32Array : values instanceof Uint8Array
}

/** The array behind a materialised operand; tfjs-cpu may leave a Float32Array behind an int32 tensor, and a caller memory that threads share, which is converted once, into an array of `take`. */
export function arrayOf({ value, dtype }: Operand, take: BufferPool['take'] = newArray): NativeArray {
  if (value.failure !== undefined) throw value.failure
  const { values } = value
  if (values === null || Array.isArray(values))
    throw new Error(`A ${dtype} tensor has no values.\nThis is a fault of @tersor/backend-ort: please report it.`)
  if (fits(values, dtype)) return values
  const converted = take(dtype, values.length)
  converted.set(values)
  value.values = converted
  return converted
}

export function tensorOf(native: Native, operand: Operand, take: BufferPool['take']): NativeTensor {
  return native.tensor(operand.dtype, arrayOf(operand, take), operand.shape)
}
