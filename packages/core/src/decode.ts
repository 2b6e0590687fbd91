import * as tf from '@tensorflow/tfjs-core'
import { DTYPES, fromFloat32, toFloat32, toInt32, type Dense, type DType, type Parameter, type Shape } from '@tersor/tensor'

const upload = (leaf: Dense): tf.Tensor =>
  DTYPES[leaf.dtype].kind === 'float'
    ? tf.tensor(toFloat32(leaf), [...leaf.shape], 'float32')
    : tf.tensor(toInt32(leaf), [...leaf.shape], 'int32')

/** The tensor a parameter stands for: float32, or int32 for integer leaves; the caller owns it. */
export const decode = (parameter: Parameter): tf.Tensor =>
  parameter.kind === 'dense'
    ? upload(parameter)
    : tf.tidy(() => {
        const parts = Object.fromEntries(Object.entries(parameter.parts).map(([name, part]) => [name, decode(part)]))
        return parameter.codec.decode(parts, parameter.attrs, parameter.shape)
      })

/** The float dtype that a parameter is stored in: that of its first float leaf, f32 where it has none. */
export const floatDTypeOf = (parameter: Parameter): DType => {
  if (parameter.kind === 'dense') return DTYPES[parameter.dtype].kind === 'float' ? parameter.dtype : 'f32'
  return floatDTypeOf(parameter.parts[parameter.codec.payload?.[0] ?? ''] ?? Object.values(parameter.parts)[0])
}

/** Stores new values in the dtype of the parameter they take the place of. */
export const storedLike = (parameter: Parameter, values: Float32Array, shape: Shape): Dense =>
  fromFloat32(values, floatDTypeOf(parameter), shape)
