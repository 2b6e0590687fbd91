import type { Tensor } from '@tensorflow/tfjs-core'
import { memorySink, type ParameterSink, type ParameterStore } from '@tersor/tensor'
import { activationsOf, type Activations } from './activations.js'
import type { Scratch } from './scratch.js'
import { stageSink, memoryStageSink, type StageSink } from './stage-sink.js'

interface StorageOptions {
  readonly scratch?: Scratch
  /** Bytes of activations kept in memory where there is a scratch folder. */
  readonly activationBytes: number
  /** Which step of which pipeline writes, such as "1.0". */
  readonly place: string
  /** Where results are noted, to be closed when the run ends. */
  readonly opened: Set<ParameterStore>
}

/** How a step writes and what it holds. */
export interface Storage {
  /** Where a pass writes its result, unless it walks the stages. */
  sink(): ParameterSink
  /** Where a pass that walks the stages writes what it changes; it can go on after the last stage that was finished. */
  staged(): StageSink
  /** Where a pass that goes on from steps of its own leaves what it needs, and the name to do it under; absent without a scratch folder. */
  readonly unit?: { readonly scratch: Scratch; readonly unit: string }
  /** Holds batches of calibration on their way through the stages. */
  activations(batches: readonly Tensor[]): Activations
}

export const storageOf = ({ scratch, place, activationBytes, opened }: StorageOptions): Storage => {
  const keep = async (store: Promise<ParameterStore>): Promise<ParameterStore> => {
    const made = await store
    opened.add(made)
    return made
  }
  return {
    sink: () => {
      const sink = scratch ? scratch.create(place) : memorySink()
      return { write: sink.write, finish: () => keep(sink.finish()), abort: sink.abort }
    },
    staged: () => {
      const staged = scratch ? stageSink(scratch, place) : memoryStageSink()
      return { ...staged, finish: (before, names) => keep(staged.finish(before, names)) }
    },
    ...(scratch && { unit: { scratch, unit: place } }),
    activations: batches => activationsOf(batches, activationBytes, scratch),
  }
}
