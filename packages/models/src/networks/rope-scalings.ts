import { badField, positive } from './config-fields.js'
import type { RawConfig } from './raw-config.js'

/** How the frequencies of a network are changed for contexts longer than it was trained on. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** Positions of the network before its context was stretched. */
      readonly originalContext: number
    }
  /** Peng et al. 2023, https://arxiv.org/abs/2309.00071 */
  | {
      readonly type: 'yarn'
      readonly factor: number
      /** Turns over the original context from which a frequency is kept, and below which it is divided by the factor. */
      readonly fastTurns: number
      readonly slowTurns: number
      readonly originalContext: number
      /** Whether the borders lie at whole pairs. */
      readonly truncate: boolean
      /** Factor of cosines and sines. */
      readonly attention: number
    }
  /** A base that grows with the text. */
  | { readonly type: 'dynamic'; readonly factor: number; readonly originalContext: number }
  /** A divisor for each pair, one list for short texts and one for long. Ding et al. 2024, https://arxiv.org/abs/2402.13753 */
  | {
      readonly type: 'longrope'
      readonly short: readonly number[]
      readonly long: readonly number[]
      readonly originalContext: number
      readonly attention: number
    }
  /** One that is not known: such a network is written and rounded, but does not run. */
  | { readonly type: 'unknown'; readonly name: string }

export interface RopeDefaults {
  readonly theta: number
  readonly contextLength: number
  /** Positions before the context was stretched, where the config says so outside of its rotation. */
  readonly originalContext?: number
}

type Parse = (raw: RawConfig, defaults: RopeDefaults) => RopeScaling

const present = (value: unknown): boolean => value !== undefined && value !== null

const originalOf = (raw: RawConfig, { originalContext, contextLength }: RopeDefaults): number =>
  positive(raw, 'original_max_position_embeddings', originalContext ?? contextLength)

/** By how much the context was stretched, where the config leaves that out. */
const factorOf = (raw: RawConfig, defaults: RopeDefaults): number =>
  present(raw.factor) ? positive(raw, 'factor') : defaults.contextLength / originalOf(raw, defaults)

const divisors = (raw: RawConfig, field: string): readonly number[] => {
  const value = raw[field]
  if (Array.isArray(value) && value.length > 0 && value.every(item => Number.isFinite(item) && item > 0)) return value as number[]
  throw badField(field, value, 'a list of numbers above zero')
}

/** 0.1 · weight · ln(factor) + 1: scores over long texts are sharpened by its square. */
const sharpening = (factor: number, weight = 1): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1)

const parseYarn: Parse = (raw, defaults) => {
  const factor = factorOf(raw, defaults)
  const [own, all] = [raw.mscale, raw.mscale_all_dim]
  const usual =
    typeof own === 'number' && typeof all === 'number' && own !== 0 && all !== 0
      ? sharpening(factor, own) / sharpening(factor, all)
      : sharpening(factor)
  return {
    ...{ type: 'yarn', factor, originalContext: originalOf(raw, defaults), truncate: raw.truncate !== false },
    ...{ fastTurns: positive(raw, 'beta_fast', 32), slowTurns: positive(raw, 'beta_slow', 1) },
    attention: positive(raw, 'attention_factor', usual),
  }
}

const parseLongrope: Parse = (raw, defaults) => {
  const [factor, originalContext] = [factorOf(raw, defaults), originalOf(raw, defaults)]
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext))
  return {
    ...{ type: 'longrope', originalContext, short: divisors(raw, 'short_factor'), long: divisors(raw, 'long_factor') },
    attention: positive(raw, 'attention_factor', usual),
  }
}

/** The kinds of scaling that run, by the names that configs give them. */
export const ROPE_SCALINGS: Readonly<Record<string, Parse>> = {
  default: () => ({ type: 'default' }),
  linear: raw => ({ type: 'linear', factor: positive(raw, 'factor') }),
  llama3: (raw, defaults) => ({
    type: 'llama3',
    factor: positive(raw, 'factor'),
    lowFrequencyFactor: positive(raw, 'low_freq_factor'),
    highFrequencyFactor: positive(raw, 'high_freq_factor'),
    originalContext: originalOf(raw, defaults),
  }),
  yarn: parseYarn,
  dynamic: (raw, { contextLength }) => ({ type: 'dynamic', factor: positive(raw, 'factor'), originalContext: contextLength }),
  longrope: parseLongrope,
  su: parseLongrope, // as Phi-3 called it first
}
