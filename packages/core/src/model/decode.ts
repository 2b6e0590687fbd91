import * as tf from '@tensorflow/tfjs-core'
import { DTYPES, toFloat32, toInt32, type Dense, type Parameter } from '@tersor/tensor'

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
