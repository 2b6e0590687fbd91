import * as tf from '@tensorflow/tfjs-core'
import { dense, encoded, fromFloat32, fromIntegers, type Codec, type Encoded } from '@tersor/tensor'

/** Codes times one scale, for tests. */
export const scaled: Codec = {
  name: 'scaled',
  payload: ['codes'],
  decode: ({ codes, scale }, _attrs, shape) => tf.reshape(tf.mul(codes, scale), [...shape]),
}

/** Values where a mask of bits allows them, for tests. */
export const gated: Codec = { name: 'gated', payload: ['values'], decode: ({ mask, values }) => tf.mul(mask, values) }

/** gated{mask: u1, values: scaled{codes, scale}} of shape (3, 5): odd sizes, so that nothing is aligned by luck. */
export const nested = (codes: 'u3' | 'u4' | 'i4' | 'u8' = 'u3'): Encoded =>
  encoded(
    gated,
    [3, 5],
    {
      mask: fromIntegers(
        Uint8Array.from({ length: 15 }, (_, i) => i % 2),
        'u1',
        [3, 5],
      ),
      values: encoded(
        scaled,
        [3, 5],
        {
          codes: fromIntegers(
            Uint8Array.from({ length: 15 }, (_, i) => i % 8),
            codes,
            [3, 5],
          ),
          scale: fromFloat32([0.1], 'f16', [1]),
        },
        { bits: 3, symmetric: true, shifts: [1, -2.5], note: 'grüße' },
      ),
    },
    {},
  )

export const floats = (values: readonly number[], shape: readonly number[]) => fromFloat32(values, 'f32', shape)

export const bytesTensor = (...bytes: number[]) => dense('u8', [bytes.length], Uint8Array.from(bytes))
