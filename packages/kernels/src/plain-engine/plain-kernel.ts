import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'

export type Values = Float32Array | Int32Array | Uint8Array
export type Call = Parameters<KernelFunc>[0]

/** The part of tfjs-backend-cpu that is used. */
export interface PlainBackend {
  readonly data: { get(id: object): { readonly values: Values } }
  makeTensorInfo(shape: readonly number[], dtype: TensorInfo['dtype'], values: Values): TensorInfo
}

/** A kernel that answers what it is quick at, and hands all other calls to tfjs's own. */
export type PlainKernel = (call: Call, own: KernelFunc) => TensorInfo | TensorInfo[]

const NUMBERS: readonly string[] = ['float32', 'int32', 'bool']

/** Texts and complex numbers stay with tfjs. */
export const ofNumbers = (...tensors: readonly TensorInfo[]): boolean => tensors.every(({ dtype }) => NUMBERS.includes(dtype))

export const valuesOf = (call: Call, tensor: TensorInfo): Values => (call.backend as unknown as PlainBackend).data.get(tensor.dataId).values

export const asTensor = (call: Call, shape: readonly number[], dtype: TensorInfo['dtype'], values: Values): TensorInfo =>
  (call.backend as unknown as PlainBackend).makeTensorInfo(shape, dtype, values)

/** Room for so many values of a dtype, all 0. */
export const roomFor = (dtype: TensorInfo['dtype'], size: number): Values =>
  dtype === 'float32' ? new Float32Array(size) : dtype === 'int32' ? new Int32Array(size) : new Uint8Array(size)
