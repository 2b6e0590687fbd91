import type { RunOptions } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { memoryStore, type Parameter } from '@tersor/tensor'

type OpenSink = NonNullable<RunOptions<OpenedModel>['sink']>

/** The sink of a run, and what it was given. */
export interface TeeSink {
  readonly sink: OpenSink
  /** A model on what was given, before any format had it; undefined where nothing was. */
  in<M extends object>(model: M): M | undefined
}

/** Keeps in memory what a run hands to its sink. */
export const teeSink = (open: OpenSink): TeeSink => {
  const kept = new Map<string, Parameter>()
  return {
    sink: small => {
      const { copy: _kept, ...sink } = open(small) // all of it passes through memory here
      return {
        ...sink,
        write: async (name, parameter) => {
          await sink.write(name, parameter)
          kept.set(name, parameter)
        },
      }
    },
    in: model => (kept.size === 0 ? undefined : { ...model, params: memoryStore(Object.fromEntries(kept)) }),
  }
}
