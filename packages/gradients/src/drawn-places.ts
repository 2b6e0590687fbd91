import { fraction, required, type Rng } from '@tersor/core'
import { sizeOf, type Shape } from '@tersor/tensor'
import { countOf, type MessageCodec } from './define-codec.js'
import { floats, floatsOf } from './message.js'

/** k different places of n, drawn alike by all who have the same stream: the first k of a shuffle. */
const placesDrawn = (n: number, k: number, rng: Rng): Int32Array => {
  const moved = new Map<number, number>()
  return Int32Array.from({ length: k }, (_, i) => {
    const j = i + rng.integer(n - i)
    const drawn = moved.get(j) ?? j
    moved.set(j, moved.get(i) ?? i)
    return drawn
  })
}

/** A codec over such places, without its promise: what is sent is multiplied by a factor of n and k. */
export const overDrawnPlaces = (density: number, factorOf: (n: number, k: number) => number): Omit<MessageCodec, 'kind' | 'promises'> => {
  const placesOf = (shape: Shape, common: Rng): Int32Array => placesDrawn(sizeOf(shape), countOf(shape, density), common.fork('places'))
  return {
    reduce: 'sum',
    layout: shape => ({ values: { dtype: 'f32', shape: [countOf(shape, density)] } }),
    encode: (values, shape, { common }) => {
      const places = placesOf(shape, common)
      const factor = factorOf(values.length, places.length)
      return { values: floats(Float32Array.from(places, place => factor * values[place])) }
    },
    decode: ({ values }, shape, into, { common }) => {
      into.fill(0)
      const sent = floatsOf(values)
      placesOf(shape, common).forEach((place, i) => (into[place] = sent[i]))
    },
  }
}

export const densityOptions = {
  density: required(fraction({ doc: 'part of the numbers that is sent, one of each tensor at least', inclusive: true })),
} as const
export const checkDensity = ({ density }: { readonly density: number }): readonly [string, string] | undefined =>
  density > 0 ? undefined : ['a density of 0 leaves nothing.', 'Pass a part above 0, such as 0.01.']
export const sparsifiedSgd = {
  title: 'Sparsified SGD with Memory',
  authors: 'Stich et al.',
  year: 2018,
  url: 'https://arxiv.org/abs/1809.07599',
} as const
