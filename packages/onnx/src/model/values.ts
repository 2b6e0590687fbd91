import * as tf from '@tensorflow/tfjs-core'
import type { Native, NativeOutput, NativeTensor } from '@tersor/backend-ort/binding'
import { decodeF16, encodeF16 } from '@tersor/tensor'

type Numbers = Float32Array | Int32Array | Uint8Array
type Convert = (values: Numbers) => ArrayBufferView

/** Arrays that a runtime takes, by the names of its element types. */
const ARRAYS: Readonly<Record<string, Convert>> = {
  float32: values => Float32Array.from(values),
  float16: values => Uint16Array.from(values, encodeF16),
  float64: values => Float64Array.from(values),
  int64: values => BigInt64Array.from<number>(values, value => BigInt(Math.trunc(value))),
  uint64: values => BigUint64Array.from<number>(values, value => BigInt(Math.trunc(value))),
  int32: values => Int32Array.from(values),
  uint32: values => Uint32Array.from(values),
  int16: values => Int16Array.from(values),
  uint16: values => Uint16Array.from(values),
  int8: values => Int8Array.from(values),
  uint8: values => Uint8Array.from(values),
  bool: values => Uint8Array.from(values),
}

/** A tensor as a graph takes it; the runtime is synchronous, and so is a stage. */
export const feed = (native: Native, tensor: tf.Tensor, dtype: string): NativeTensor =>
  native.typed(dtype, ARRAYS[dtype](tensor.dataSync() as Numbers), tensor.shape)

export const isFed = (dtype: string): boolean => Object.hasOwn(ARRAYS, dtype)

/** An output as a tensor: floats as float32, all others as int32. */
export const fetched = ({ type, dims, data }: NativeOutput): tf.Tensor => {
  const shape = [...dims].map(Number)
  if (type === 'float16') return tf.tensor(Float32Array.from(halves(data)), shape, 'float32')
  if (type.startsWith('float')) return tf.tensor(Float32Array.from(data as ArrayLike<number>), shape, 'float32')
  return tf.tensor(Int32Array.from(data as ArrayLike<number>, Number), shape, 'int32')
}

/** Node's with Float16Array decode halves themselves, others hand over their bits. */
const halves = (data: NativeOutput['data']): ArrayLike<number> =>
  data instanceof Uint16Array ? Float32Array.from(data, decodeF16) : (data as ArrayLike<number>)
