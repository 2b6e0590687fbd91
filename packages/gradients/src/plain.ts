import { sizeOf } from '@tersor/tensor'
import { defineCodec } from './define-codec.js'
import { floats, floatsOf } from './message.js'

/** Plain: gradients as they are, 4 bytes a number, summed around a ring. C(x) = x. */
export const plain = defineCodec({
  name: 'plain',
  summary: 'sends gradients as they are, summed around a ring',
  options: {},
  make: () => ({
    promises: 'exact',
    reduce: 'sum',
    layout: shape => ({ values: { dtype: 'f32', shape: [sizeOf(shape)] } }),
    encode: values => ({ values: floats(values.slice()) }),
    decode: ({ values }, _shape, into) => into.set(floatsOf(values)),
  }),
})
