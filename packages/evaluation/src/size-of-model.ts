import type { Model } from '@tersor/core'
import { sizeOf, type DType, type Shape } from '@tersor/tensor'

/** One parameter as it is stored. */
export interface TensorSize {
  readonly name: string
  readonly shape: Shape
  /** Of a dense parameter. */
  readonly dtype?: DType
  /** The outermost codec of an encoded one. */
  readonly codec?: string
  /** What the file calls the way it stores it, such as q4_k. */
  readonly storedAs?: string
  readonly bytes: number
  readonly bitsPerWeight: number
}

export interface ModelSize {
  /** Elements of all parameters. */
  readonly parameters: number
  readonly bytes: number
  readonly bitsPerWeight: number
  readonly tensors: readonly TensorSize[]
}

const bits = (bytes: number, size: number): number => (8 * bytes) / Math.max(1, size)

/** What a model takes at rest, from its headers alone: nothing is read. */
export const sizeOfModel = ({ params }: Pick<Model, 'params'>): ModelSize => {
  const tensors = params.names().map((name): TensorSize => {
    const { shape, byteLength, dtype, codec, storedAs } = params.info(name)
    return {
      name,
      shape,
      ...(dtype === undefined ? {} : { dtype }),
      ...(codec === undefined ? {} : { codec }),
      ...(storedAs === undefined ? {} : { storedAs }),
      bytes: byteLength,
      bitsPerWeight: bits(byteLength, sizeOf(shape)),
    }
  })
  const parameters = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0)
  return { parameters, bytes, bitsPerWeight: bits(bytes, parameters), tensors }
}
