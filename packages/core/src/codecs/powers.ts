import * as tf from '@tensorflow/tfjs-core'
import { encoded, fromIntegers, type Codec, type Encoded, type Shape } from '@tersor/tensor'
import { codesAre, firstOf, partsAre, sizeIs } from './checks.js'

/** What is added to an exponent of E8M0. */
export const EXPONENT_BIAS = 127

/** Powers of two in a byte, E8M0 of the OCP microscaling formats: value = 2^(exponent − 127). Part: exponent u8 (shape). */
export const powers: Codec = Object.freeze<Codec>({
  name: 'powers',
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['exponent']),
      () => codesAre('exponent', parts.exponent, [8]) ?? sizeIs('exponent', parts.exponent, shape),
    ),
  decode: ({ exponent }: Readonly<Record<string, tf.Tensor>>, _attrs, shape) =>
    tf.tidy(() => {
      const table = Float32Array.from({ length: 256 }, (_, code) => (code === 255 ? NaN : 2 ** (code - EXPONENT_BIAS)))
      return tf.reshape(tf.gather(tf.tensor1d(table), tf.reshape(tf.cast(exponent, 'int32'), [-1]) as tf.Tensor1D), [...shape])
    }),
})

/** Builds the tree from biased exponents, 0 … 254. */
export const powersOf = (exponents: ArrayLike<number>, shape: Shape): Encoded =>
  encoded(powers, shape, { exponent: fromIntegers(exponents, 'u8', shape) })
