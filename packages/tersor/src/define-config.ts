import type { Step } from '@tersor/core'
import type { FormatFlags } from './format-flags.js'

/** A step of a config: made by a factory, as the command line takes it, or `{ gptq: { bits: 4 } }`. */
export type ConfigStep = Step | string | { readonly [name: string]: unknown }

/** What a run is asked for, in a file: `tersor compress` alone then does it. Flags go before it. */
export interface Config extends Partial<FormatFlags> {
  /** A path, or a name on the hub: "hf:org/name". */
  readonly model?: string
  /** A file that methods learn from. */
  readonly calibrate?: string
  /** One step or pipeline, or several in order. */
  readonly steps: ConfigStep | readonly ConfigStep[]
  /** The runtime that the result is for. */
  readonly for?: string
  /** Where the result goes. */
  readonly out?: string
  /** Decides everything that is random: a whole number, 0 where absent. */
  readonly seed?: number
  /** A text or images that quality is measured on before and after. */
  readonly evaluate?: string
  /** A page about the run. */
  readonly report?: string
  /** Whether the result is run in the runtime that it is for. */
  readonly verify?: boolean
  /** For editors. */
  readonly $schema?: string
}

/** Gives the config as it is, with its types checked where it is written. */
export const defineConfig = (config: Config): Config => config
