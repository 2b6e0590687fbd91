import { CompressionError } from '@tersor/tensor'
import { badFile, oneLine } from '../files/bad-file.js'
import type { Json } from '../files/json-text.js'
import { isRecord } from '../files/json-text.js'
import type { GgufValue, Metadata } from './header.js'
import { shortest } from './shortest.js'

/** Rope settings as transformers 5 (`rope_parameters`) or 4 (`rope_scaling`, `rope_theta`) writes them. */
export const ropeOf = (config: Json): { readonly theta: number; readonly scaling: Json; readonly type: string } => {
  const scaling = [config.rope_parameters, config.rope_scaling].find(isRecord) ?? {}
  const theta = scaling.rope_theta ?? config.rope_theta
  const type = scaling.rope_type ?? scaling.type ?? 'default'
  return { theta: typeof theta === 'number' ? theta : 10000, scaling, type: String(type) }
}

type Entries = readonly (readonly [key: string, value: GgufValue])[]

const f32 = (value: number): GgufValue => ({ type: 'f32', value })

const needed = (scaling: Json, field: string, fallback?: unknown): number => {
  const value = scaling[field] ?? fallback
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw new CompressionError(
    'BAD_OPTION',
    `The ${field} of the rope scaling is ${JSON.stringify(value) ?? 'missing'}; expected a number above zero.`,
    'Pass the config.json of the model.',
    { field },
  )
}

const unsupported = (what: string): CompressionError =>
  new CompressionError('UNSUPPORTED', oneLine(`No GGUF is written for ${what}.`), 'llama.cpp would compute other angles: use --format huggingface.') // prettier-ignore

/** 0.1 ln(factor) + 1, by which YaRN and llama.cpp lengthen queries and keys. */
export const yarnAttention = (factor: number, scale = 1): number => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1)

/** What transformers multiplies rotated queries and keys by. */
const attentionFactorOf = ({ attention_factor: given, mscale, mscale_all_dim: all }: Json, factor: number): number => {
  if (typeof given === 'number') return given
  if (typeof mscale === 'number' && typeof all === 'number' && mscale !== 0 && all !== 0)
    return yarnAttention(factor, mscale) / yarnAttention(factor, all)
  return yarnAttention(factor)
}

/** llama.cpp's bounds of YaRN's blend, in turns within the original context, which are those of its authors. */
const BETA_FAST = 32
const BETA_SLOW = 1

const yarn = (scaling: Json, context: number): Entries => {
  const original = needed(scaling, 'original_max_position_embeddings', context)
  const factor = needed(scaling, 'factor', context / original)
  if (scaling.truncate === false) throw unsupported('YaRN whose bounds are not whole numbers ("truncate": false)')
  // The keys for other bounds are read for some architectures only, and for none of those that are written here.
  const [fast, slow] = [needed(scaling, 'beta_fast', BETA_FAST), needed(scaling, 'beta_slow', BETA_SLOW)]
  if (fast !== BETA_FAST || slow !== BETA_SLOW) throw unsupported(`YaRN with beta_fast ${fast} and beta_slow ${slow}`)
  return [
    ['rope.scaling.type', { type: 'string', value: 'yarn' }],
    ['rope.scaling.factor', f32(factor)],
    ['rope.scaling.original_context_length', { type: 'u32', value: original }],
    ['rope.scaling.attn_factor', f32(attentionFactorOf(scaling, factor) / yarnAttention(factor))],
  ]
}

/** The factors of a longrope scaling that are the same for short and long texts, which a tensor of the file holds. */
export const constantFactors = ({
  short_factor: short,
  long_factor: long,
  attention_factor: attention,
}: Json): readonly number[] | undefined => {
  const same = Array.isArray(short) && Array.isArray(long) && short.length === long.length && short.every((value, i) => value === long[i])
  return same && attention === 1 ? (short as number[]) : undefined
}

/** Kinds of scaling that become keys, or a tensor of factors. */
const SCALINGS: Readonly<Record<string, (scaling: Json, context: number) => Entries>> = {
  default: () => [],
  llama3: () => [], // a tensor of factors
  linear: scaling => [
    ['rope.scaling.type', { type: 'string', value: 'linear' }],
    ['rope.scaling.factor', f32(needed(scaling, 'factor'))],
  ],
  yarn,
  longrope: scaling => {
    if (constantFactors(scaling) === undefined) throw unsupported('longrope, whose factors change with the length of the text')
    return []
  },
}

/** The kinds of scaling that are written. */
export const WRITTEN_SCALINGS: readonly string[] = Object.freeze(Object.keys(SCALINGS))

/** The keys of a scaling, after the architecture. `context`: positions of the network. Throws UNSUPPORTED and BAD_OPTION. */
export const scalingToEntries = (config: Json, context: number): Entries => {
  const { scaling, type } = ropeOf(config)
  if (Object.hasOwn(SCALINGS, type)) return SCALINGS[type](scaling, context)
  throw new CompressionError(
    'UNSUPPORTED',
    oneLine(`No GGUF is written for rope scaling ${JSON.stringify(type)}.`),
    `Known are ${WRITTEN_SCALINGS.join(', ')}: save others as a Hugging Face folder.`,
    { type },
  )
}

/** Kinds of scaling that are read from keys. */
export const READ_SCALINGS: readonly string[] = Object.freeze(['none', 'linear', 'yarn'])

/** Keys of a scaling that are read. */
export const SCALING_KEYS: readonly string[] = Object.freeze(
  ['type', 'factor', 'original_context_length', 'attn_factor', 'yarn_beta_fast', 'yarn_beta_slow', 'yarn_ext_factor', 'finetuned'].map(
    key => `rope.scaling.${key}`,
  ),
)

/** The scaling of config.json that a file's keys stand for, null for none. Throws UNSUPPORTED for a kind that is not known and BAD_FILE. */
export const entriesToScaling = (metadata: Metadata, architecture: string): Json | null => {
  const entry = (key: string): unknown => metadata.get(`${architecture}.rope.scaling.${key}`)?.value
  const number = (key: string, fallback: number): number => {
    const value = entry(key) ?? fallback
    if (typeof value === 'number' && Number.isFinite(value)) return shortest(value)
    throw badFile(`The metadata's rope.scaling.${key} is no number.`)
  }
  const old = metadata.get(`${architecture}.rope.scale_linear`)?.value
  const type = entry('type') ?? (typeof old === 'number' && old !== 1 ? 'linear' : 'none')
  const factor = number('factor', typeof old === 'number' ? old : 1)
  if (type === 'none' || (factor === 1 && type !== 'longrope')) return null
  if (type === 'linear') return { rope_type: 'linear', factor }
  const isPlain = number('yarn_ext_factor', 1) === 1 && number('yarn_beta_fast', BETA_FAST) === BETA_FAST && number('yarn_beta_slow', BETA_SLOW) === BETA_SLOW // prettier-ignore
  if (!READ_SCALINGS.includes(String(type)) || !isPlain)
    throw new CompressionError(
      'UNSUPPORTED',
      oneLine(`The file scales its rotary angles by ${JSON.stringify(type === 'yarn' ? 'yarn with settings of its own' : type)}.`),
      'Scalings that are read are linear, yarn and factors (rope_freqs): run this file in llama.cpp.',
      { type },
    )
  const context = metadata.get(`${architecture}.context_length`)?.value
  return {
    rope_type: 'yarn',
    factor,
    original_max_position_embeddings: number('original_context_length', typeof context === 'number' ? context : 2048),
    attention_factor: number('attn_factor', 1) * yarnAttention(factor),
    beta_fast: BETA_FAST,
    beta_slow: BETA_SLOW,
  }
}
