import type { Shape } from '@tersor/tensor'
import type { Json } from '../files/json-text.js'
import { attentionOf, expertCount } from './config.js'
import type { TensorInfo } from './encode-header.js'
import { toGgufPlace, type GgufPlace } from './names.js'
import { ropeFactors } from './rope-factors.js'
import { constantFactors, ropeOf } from './rope-scaling.js'
import type { GgufSinkOptions } from './sink-options.js'
import { ROPE_FACTORS } from './tables/architectures.js'

export const EMBEDDINGS = 'token_embd.weight'

/** Parameters that llama.cpp makes itself. */
export const isDerived = (name: string, { config }: GgufSinkOptions): boolean =>
  name.endsWith('.rotary_emb.inv_freq') || (name === 'lm_head.weight' && config.tie_word_embeddings === true)

/** The frequency factors of a config, which are a tensor of the file. */
export const factorsOf = (config: Json): Float32Array | undefined => {
  const { scaling, type, theta } = ropeOf(config)
  if (type === 'llama3') return ropeFactors(scaling, attentionOf(config).size, theta)
  const constant = type === 'longrope' ? constantFactors(scaling) : undefined
  return constant && Float32Array.from(constant)
}

/** The gate of shared experts is a vector in the file. */
export const shapeInFile = ({ name }: GgufPlace, shape: Shape): Shape =>
  name.endsWith('.ffn_gate_inp_shexp.weight') ? [shape.at(-1)!] : shape

/** Entries as they will stand in the header, but for types and offsets, which take no other room; undefined where nobody knows. */
export const foreseenInfos = (options: GgufSinkOptions): readonly TensorInfo[] | undefined => {
  const { shapes, config } = options
  if (!shapes || expertCount(config) > 0) return undefined
  const places = shapes.filter(([name]) => !isDerived(name, options)).map(([name, shape]) => [toGgufPlace(name, false), shape] as const)
  const factors = factorsOf(config)
  return [
    ...places.map(([place, shape]) => ({ name: place.name, shape: shapeInFile(place, shape) })),
    ...(factors ? [{ name: ROPE_FACTORS, shape: [factors.length] }] : []),
  ].map(entry => ({ ...entry, type: 'f32', offset: 0 }))
}
