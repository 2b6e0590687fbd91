import type * as tf from '@tensorflow/tfjs-core'
import { largestMagnitude, widenFloats, type StoredFloats } from '@tersor/kernels/floats'
import { lendArray } from '@tersor/kernels/lend-array'
import type { RunRowsOptions } from '@tersor/kernels/pool'
import { bf16CodesOf, float32Of, sizeOf, type Parameter } from '@tersor/tensor'
import { checkFinite } from './check-finite.js'
import { decode } from './decode.js'

/** So many values take one thread less time than it takes to start another. */
const FEW = 2 ** 20

/** What kernels take as it is, where there is enough of it. */
const storedFloats = (parameter: Parameter): StoredFloats | undefined => {
  if (parameter.kind === 'encoded' || sizeOf(parameter.shape) <= FEW) return undefined
  return parameter.dtype === 'bf16' ? bf16CodesOf(parameter) : parameter.dtype === 'f32' ? float32Of(parameter) : undefined
}

/** Throws NOT_FINITE where a weight is NaN or infinite, found on all threads. */
export const requireFiniteWeights = async (name: string, parameter: Parameter, options?: RunRowsOptions): Promise<void> => {
  const stored = storedFloats(parameter)
  if (!stored || (await largestMagnitude(stored, options)) === Infinity) checkFinite(name, parameter)
}

/** The tensor a parameter stands for, float weights made on all threads; the caller owns it. */
export const decodeOnThreads = async (parameter: Parameter, options?: RunRowsOptions): Promise<tf.Tensor> => {
  const stored = storedFloats(parameter)
  return stored ? lendArray((await widenFloats(stored, options)).values, parameter.shape) : decode(parameter)
}

/** The same. Throws NOT_FINITE where a weight is NaN or infinite. */
export const decodeFinite = async (name: string, parameter: Parameter, options?: RunRowsOptions): Promise<tf.Tensor> => {
  const stored = storedFloats(parameter)
  if (!stored) {
    checkFinite(name, parameter)
    return decode(parameter)
  }
  const { values, largest } = await widenFloats(stored, options)
  if (largest === Infinity) checkFinite(name, parameter)
  return lendArray(values, parameter.shape)
}
