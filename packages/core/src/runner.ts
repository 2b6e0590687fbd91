import type { ParameterSink } from '@tersor/tensor'
import { activationsOf, type Activations } from './activations.js'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Model } from './model.js'
import type { Provenance } from './provenance.js'
import type { Scratch } from './scratch.js'
import { betweenSink, stagedSink, unstaged, type StagedSink } from './staged.js'

/** What a run knows that no single step needs: a pipeline makes the contexts of its steps from it. */
export interface Runner {
  readonly scratch?: Scratch
  /** Bytes of activations kept in memory where there is a scratch folder. */
  readonly activationBytes: number
  readonly signal: AbortSignal
  /** Which step of which pipeline runs, such as "1.0". */
  readonly place: string
  /** Where the result of the whole run goes; absent for a step whose result only the next one reads. */
  readonly final?: (provenance?: readonly Provenance[]) => ParameterSink
  /** What results are compared with; an exact pass moves it on. */
  readonly reference: { readonly original: Model; model: Model }
  /** Where results between steps go without a scratch folder. */
  readonly between: () => ParameterSink
}

/** How a step writes and what it holds. */
export interface Holding {
  /** Where this pass writes its result; a pipeline adds what the saved file says of its steps. */
  sink(provenance?: readonly Provenance[]): ParameterSink
  /** The same for a pass that goes stage by stage, and can go on after the last one that was finished. */
  staged(): StagedSink
  /** Holds batches of calibration on their way through the stages. */
  activations(batches: readonly Tensor[]): Activations
}

export const holdingOf = (runner: Runner): Holding => {
  const { scratch, place, signal, final, between, activationBytes } = runner
  const sink = (provenance?: readonly Provenance[]): ParameterSink => {
    if (final) return final(provenance)
    return scratch ? betweenSink(scratch, place) : between()
  }
  return {
    sink,
    staged: () => (scratch ? stagedSink({ scratch, place, signal, ...(final ? { final: () => final() } : {}) }) : unstaged(sink())),
    activations: batches => activationsOf(batches, activationBytes, scratch),
  }
}
