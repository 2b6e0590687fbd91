import type { ProgressEvent } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import type { SampleFlags } from './calibration.js'
import type { TargetFlags } from './targets/in-target.js'
import type { CutFlags } from './with-model.js'

/** What a run of steps on a model is asked for. */
export interface CompressRequest extends TargetFlags, SampleFlags, CutFlags {
  readonly out: string
  /** A text or images that the model is measured on before and after. */
  readonly evaluate?: readonly string[] | undefined
  /** Whether quality is measured at all; where absent, on what there is. */
  readonly quality?: boolean
  /** Steps as they were written, and the model and files as a user named them, for the recipe; made of what they are where absent. */
  readonly named?: {
    readonly model?: string | undefined
    readonly steps?: readonly string[] | undefined
    readonly calibrate?: readonly string[] | undefined
  }
  /** Whether a recipe and a card are written beside the result; they are where absent. */
  readonly described?: boolean
  readonly seed: number
  readonly overwrite: boolean
  readonly resume: boolean
  /** Whether the result is run where it is meant to run. */
  readonly verify: boolean
  /** MiB. */
  readonly activationMemory: number
}

/** Who hears of a run, and may stop it. */
export interface Hearing {
  readonly signal: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
  /** Of what is counted besides: windows that were measured. */
  readonly onAdvance: (done: number, of: number, label: string) => void
  /** Of the model that was opened and the batches that it learns from, before anything is done. */
  readonly onOpened?: (model: OpenedModel, batches: number) => void
}
