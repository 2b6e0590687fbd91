import { dense, encodeAllBf16, sizeOf, toFloat32 } from '@tersor/tensor'
import { defineCodec } from './define-codec.js'

/** Half: gradients rounded to bfloat16, 2 bytes a number. */
export const half = defineCodec({
  name: 'half',
  summary: 'rounds gradients to bfloat16',
  options: {},
  make: () => ({
    promises: 'contractive',
    reduce: 'gather',
    layout: shape => ({ values: { dtype: 'bf16', shape: [sizeOf(shape)] } }),
    encode: (values, shape) => ({ values: dense('bf16', [sizeOf(shape)], new Uint8Array(encodeAllBf16(values).buffer)) }),
    decode: ({ values }, _shape, into) => into.set(toFloat32(values)),
  }),
})
