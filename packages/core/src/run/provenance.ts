import type { RecordedOptions } from '../step/options.js'

/** One step that a model went through, as recorded in the saved file. */
export interface Provenance {
  readonly method: string
  readonly options: RecordedOptions
  readonly seed: number
  /** Version of @tersor/core that ran it. */
  readonly version: string
}
