import type { Step } from '@tersor/core'
import type { FormatFlags } from './format-flags.js'
import type { TargetName } from './targets/targets.js'

/** A step of a config: made by a factory, as the command line takes it, or `{ gptq: { bits: 4 } }`. */
export type ConfigStep = Step | string | { readonly [name: string]: unknown }

/** What a run is asked for, in a file: `tersor compress` alone then does it. Flags go before it. */
export interface Config extends Partial<FormatFlags> {
  /** A path, or a name on the hub: "hf:org/name". */
  readonly model?: string
  /** Files, folders and patterns that methods learn from. */
  readonly calibrate?: string | readonly string[]
  /** Windows of text, images or rows at most. */
  readonly samples?: number
  /** Tokens of a window. */
  readonly length?: number
  /** Whether what is learned from is taken in an order drawn by the seed. */
  readonly shuffle?: boolean
  /** One step or pipeline, or several in order; chosen by `for` where absent. */
  readonly steps?: ConfigStep | readonly ConfigStep[]
  /** The runtime that the result is for: it chooses the format, and the steps where none are given. */
  readonly for?: TargetName
  /** Of the weights, with `for`. */
  readonly bits?: number
  /** The share of its units that a sorted model is opened with. */
  readonly cut?: number
  /** Where the result goes. */
  readonly out?: string
  /** Decides everything that is random: a whole number, 0 where absent. */
  readonly seed?: number
  /** A text or images that quality is measured on before and after. */
  readonly evaluate?: string | readonly string[]
  /** A page about the run. */
  readonly report?: string
  /** Whether the result is run in the runtime that it is for. */
  readonly verify?: boolean
  /** For editors. */
  readonly $schema?: string
}

/** Gives the config as it is, with its types checked where it is written. */
export const defineConfig = (config: Config): Config => config
