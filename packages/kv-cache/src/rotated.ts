import {
  boolean,
  type CacheEncoding,
  type EncodedPart,
  defineEncoding,
  hadamardColumns,
  isEncoding,
  required,
  turnedOf,
  value,
} from '@tersor/core'
import * as tf from '@tensorflow/tfjs-core'

/**
 * Turns keys by a Walsh-Hadamard matrix before another encoding rounds them, which spreads outlier channels over all; queries are turned alike.
 * k · H, q · H: (q · H) · (k · H)ᵀ = q · kᵀ. H of the largest power of two that divides a head. Throws BAD_OPTION.
 * Ashkboos et al. 2024, https://arxiv.org/abs/2404.00456
 */
export const rotated = defineEncoding({
  name: 'rotated',
  summary: 'turns keys so that outlier channels are spread before another encoding rounds them',
  paper: {
    title: 'QuaRot: Outlier-Free 4-Bit Inference in Rotated LLMs',
    authors: 'Ashkboos et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2404.00456',
  },
  differs: 'the cache alone is turned; weights stay as they are',
  options: {
    encoding: required(value({ of: 'encoding', is: isEncoding, doc: 'what rounds the turned keys, such as int4(block=32)' })),
    values: boolean({ default: false, doc: 'whether values are turned too' }),
  },
  make: ({ encoding, values: both }): CacheEncoding => ({
    kind: 'encoding',
    needs: encoding.needs,
    exact: encoding.exact,
    encode: async (leaving, view) => {
      const [keys, values] = [hadamardColumns(leaving.keys), both ? hadamardColumns(leaving.values) : tf.clone(leaving.values)]
      try {
        const parts = await encoding.encode({ ...leaving, keys, values }, view)
        return parts.map((part: EncodedPart) => ({
          ...part,
          keys: turnedOf(part.keys),
          values: both ? turnedOf(part.values) : part.values,
        }))
      } finally {
        tf.dispose([keys, values])
      }
    },
  }),
})
