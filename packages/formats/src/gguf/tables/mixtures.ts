import type { BlockTypeName } from './tensor-types.js'

/** Where a weight stands, for rules that give some of them more bits. */
export interface Place {
  /** Of its block; 0 outside. */
  readonly layer: number
  readonly layers: number
  /** Query heads that share one key head. */
  readonly group: number
  /** Whether columns are weighed by an importance matrix. */
  readonly weighed: boolean
  /** Of each layer; 0 where there are none. */
  readonly experts: number
}

type Rule = (place: Place) => BlockTypeName | null

/** A mixture of block types under one of llama.cpp's names: what most weights become, and the exceptions. */
interface Mixture {
  readonly base: BlockTypeName
  /** general.file_type. */
  readonly fileType: number
  /** The exception for values, feed-forward outputs and attention outputs; null for the base. */
  readonly value?: Rule
  readonly down?: Rule
  readonly output?: Rule
}

const early = ({ layer, layers }: Place, part: number): boolean => layer < Math.floor(layers / part)

/** The first and last eighth of the layers, and every third between. */
const moreBits = (place: Place): boolean => {
  const { layer, layers } = place
  const eighth = Math.floor(layers / 8)
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2
}

const always =
  (type: BlockTypeName): Rule =>
  () =>
    type
const when =
  (test: (place: Place) => boolean, type: BlockTypeName, otherwise: BlockTypeName | null = null): Rule =>
  place =>
    test(place) ? type : otherwise

const shared = ({ group }: Place): boolean => group >= 4
const sixBits = when(moreBits, 'q6_k')
const sturdier = (type: BlockTypeName): Rule => when(place => place.weighed && early(place, 8), type)
const fourBits = { value: when(shared, 'q5_k'), down: when(place => early(place, 8) && !place.weighed, 'q5_k') } as const

/** llama.cpp's mixtures as of 2026. */
export const MIXTURES = {
  Q2_K: { base: 'q2_k', fileType: 10, value: when(shared, 'q4_k', 'q3_k'), down: always('q3_k'), output: always('q3_k') },
  Q2_K_S: { base: 'q2_k', fileType: 21, value: when(shared, 'q4_k'), down: when(place => early(place, 8), 'q4_k') },
  Q3_K_S: { base: 'q3_k', fileType: 11 },
  Q3_K_M: {
    ...{ base: 'q3_k', fileType: 12, value: when(({ layer }) => layer < 2, 'q5_k', 'q4_k') },
    ...{ down: when(place => early(place, 16), 'q5_k', 'q4_k'), output: always('q4_k') },
  },
  Q3_K_L: { base: 'q3_k', fileType: 13, value: always('q5_k'), down: always('q5_k'), output: always('q5_k') },
  Q4_K_S: { base: 'q4_k', fileType: 14, value: when(({ layer }) => layer < 4, 'q5_k'), down: when(place => early(place, 8), 'q5_k') },
  Q4_K_M: { base: 'q4_k', fileType: 15, value: sixBits, down: sixBits },
  Q5_K_S: { base: 'q5_k', fileType: 16 },
  Q5_K_M: { base: 'q5_k', fileType: 17, value: sixBits, down: sixBits },
  Q6_K: { base: 'q6_k', fileType: 18 },
  IQ4_NL: { base: 'iq4_nl', fileType: 25, ...fourBits },
  IQ4_XS: { base: 'iq4_xs', fileType: 30, ...fourBits },
  Q4_0: { base: 'q4_0', fileType: 2, down: sturdier('q4_1') },
  Q4_1: { base: 'q4_1', fileType: 3 },
  Q5_0: { base: 'q5_0', fileType: 8, down: sturdier('q5_1') },
  Q5_1: { base: 'q5_1', fileType: 9 },
  Q8_0: { base: 'q8_0', fileType: 7 },
} as const satisfies Readonly<Record<string, Mixture>>

export type MixtureName = keyof typeof MIXTURES

/** Modules with a rule of their own, by their names in the file. */
const RULES: Readonly<Record<string, 'value' | 'down' | 'output'>> = {
  attn_v: 'value',
  ffn_down: 'down',
  ffn_down_exps: 'down',
  ffn_down_shexp: 'down',
  attn_output: 'output',
}

/** Mixtures whose attention outputs get five bits where a layer has eight experts. */
const FIVE_BITS_BESIDE_EIGHT: readonly MixtureName[] = ['Q2_K', 'Q3_K_S', 'Q3_K_M', 'IQ4_NL', 'Q4_K_S', 'Q4_K_M', 'IQ4_XS']

/** Beside eight experts attention is a small part of the bytes, and llama.cpp gives it more bits. */
const typeBesideEight = (name: MixtureName, module: string | undefined): BlockTypeName | undefined => {
  if (module === 'attn_v' || module === 'attn_k') return 'q8_0'
  if (module !== 'attn_output') return undefined
  return FIVE_BITS_BESIDE_EIGHT.includes(name) ? 'q5_k' : MIXTURES[name].base
}

/** What a weight becomes under a mixture; the head, or the embedding that stands for it, keeps six bits. */
export const typeInMixture = (name: MixtureName, tensor: string, tied: boolean, place: Omit<Place, 'layer'>): BlockTypeName => {
  const mixture: Mixture = MIXTURES[name]
  if (tensor === 'output.weight' || (tied && tensor === 'token_embd.weight')) return mixture.base === 'q8_0' ? 'q8_0' : 'q6_k'
  const [, layer, module] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(tensor) ?? []
  const ofEight = place.experts === 8 ? typeBesideEight(name, module) : undefined
  if (ofEight) return ofEight
  const rule = module === undefined ? undefined : RULES[module]
  return (rule && mixture[rule]?.({ ...place, layer: Number(layer) })) ?? mixture.base
}
