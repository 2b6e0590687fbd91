import type { Native, NativeOutput, NativeTensor } from '@tersor/backend-ort/binding'
import { decodeF16, encodeF16 } from '@tersor/tensor'
import type { GraphLayer } from './layers.js'

/** What a graph gave, to be given to it again: the runtime's own tensor, of which nothing is copied. */
export const again = (output: NativeOutput): NativeTensor => output as unknown as NativeTensor

export const outputOf = (tensor: NativeTensor): NativeOutput => tensor as unknown as NativeOutput

/** The numbers of an output of floats; those that are float32 are not copied. */
export const floatsOf = ({ type, data }: NativeOutput): Float32Array => {
  if (type !== 'float16') return data as Float32Array
  return data instanceof Uint16Array ? Float32Array.from(data, decodeF16) : Float32Array.from(data as ArrayLike<number>)
}

export const floatTensor = (native: Native, dtype: GraphLayer['dtype'], values: Float32Array, shape: readonly number[]): NativeTensor =>
  dtype === 'float16' ? native.typed('float16', Uint16Array.from(values, encodeF16), shape) : native.typed('float32', values, shape)

export const wholeTensor = (native: Native, count: number, valueAt: (i: number) => number): NativeTensor =>
  native.typed('int64', BigInt64Array.from({ length: count }, (_, i) => BigInt(valueAt(i))), [1, count]) // prettier-ignore
