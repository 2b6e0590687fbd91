import { placesOfLargest } from '@tersor/kernels/vectors'
import { countOf, defineCodec } from './define-codec.js'
import { checkDensity, densityOptions, sparsifiedSgd } from './drawn-places.js'
import { floats, floatsOf, integers, integersOf } from './message.js'

/**
 * Top-k: sends the k numbers of the largest magnitude with their places, k = density · n; δ ≥ k / n. 8 k bytes.
 * Stich et al. 2018, https://arxiv.org/abs/1809.07599; first Aji and Heafield 2017, https://arxiv.org/abs/1704.05021. Throws BAD_OPTION.
 */
export const topK = defineCodec({
  name: 'top-k',
  summary: 'sends the largest numbers with their places',
  paper: sparsifiedSgd,
  options: densityOptions,
  check: checkDensity,
  make: ({ density }) => ({
    promises: 'contractive',
    reduce: 'gather',
    layout: shape => {
      const k = countOf(shape, density)
      return { places: { dtype: 'i32', shape: [k] }, values: { dtype: 'f32', shape: [k] } }
    },
    encode: (values, shape) => {
      const places = placesOfLargest(values, countOf(shape, density))
      return { places: integers(places), values: floats(Float32Array.from(places, place => values[place])) }
    },
    decode: ({ places, values }, _shape, into) => {
      into.fill(0)
      const sent = floatsOf(values)
      integersOf(places).forEach((place, i) => (into[place] = sent[i]))
    },
  }),
})
