import { dense, encodeAllBf16, sizeOf } from '@tersor/tensor'
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
    decode: ({ values }, _shape, into) => {
      const codes = new Uint16Array(values.bytes.slice().buffer)
      const bits = new Uint32Array(into.buffer, into.byteOffset, into.length)
      for (let i = 0; i < codes.length; i++) bits[i] = codes[i] << 16
    },
  }),
})
