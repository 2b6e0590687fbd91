import { type ParameterInfo, type ParameterSink, type ParameterStore } from '@tersor/tensor'
import type { ProgressEvent } from './progress-event.js'
import type { Scratch, Unit, UnitSink } from './scratch.js'

/** A sink that is written stage by stage and, with a scratch folder, finds again what an earlier run finished. */
export interface StagedSink extends ParameterSink {
  /** What an earlier run finished of the next stage: take it instead of writing. */
  resume(): Promise<Unit | undefined>
  /** Ends a stage: what was written since the last end is safe from now on. */
  endStage(events: readonly ProgressEvent[]): Promise<void>
}

/** Stores one after the other as one. */
const joined = (stores: readonly ParameterStore[]): ParameterStore => {
  const places = new Map(stores.flatMap(store => store.names().map(name => [name, store] as const)))
  const names = Object.freeze([...places.keys()])
  const at = (name: string): ParameterStore => places.get(name) ?? stores[0]
  return Object.freeze({
    names: () => names,
    info: (name: string): ParameterInfo => at(name).info(name),
    read: (name: string, options?: { readonly signal?: AbortSignal }) => at(name).read(name, options),
    close: async () => {
      for (const store of stores) await store.close?.()
    },
  })
}

/** A sink without stages, for runs that nobody goes on with. */
export const unstaged = (sink: ParameterSink): StagedSink => ({ ...sink, resume: async () => undefined, endStage: async () => {} })

export interface StagedOptions {
  readonly scratch: Scratch
  /** Which step of the pipeline writes, such as "0" or "1.0". */
  readonly place: string
  readonly signal: AbortSignal
  /** Where everything goes in the end; it stays in the scratch folder where absent. */
  readonly final?: () => ParameterSink
}

/** Each stage is a unit of the scratch folder; the whole is copied to its place at the end. */
export const stagedSink = ({ scratch, place, signal, final }: StagedOptions): StagedSink => {
  const stores: ParameterStore[] = []
  let current: UnitSink | undefined
  const unit = (): string => `${place}-${stores.length}`
  const close = async (): Promise<void> => {
    for (const store of stores) await store.close?.()
  }
  const endStage = async (events: readonly ProgressEvent[]): Promise<void> => {
    current ??= scratch.create(unit())
    stores.push(await current.finish(events))
    current = undefined
  }
  const publish = async (sink: ParameterSink): Promise<ParameterStore> => {
    try {
      for (const store of stores)
        for (const name of store.names()) {
          signal.throwIfAborted()
          await sink.write(name, await store.read(name, { signal }))
        }
      await close()
      return await sink.finish()
    } catch (error) {
      await sink.abort()
      throw error
    }
  }
  return Object.freeze({
    resume: async () => {
      const found = await scratch.find(unit())
      if (found) stores.push(found.params)
      return found
    },
    write: (name, parameter) => (current ??= scratch.create(unit())).write(name, parameter),
    endStage,
    finish: async () => {
      if (current || stores.length === 0) await endStage([])
      return final ? publish(final()) : joined(stores)
    },
    abort: async () => {
      await current?.abort()
      await close()
    },
  } satisfies StagedSink)
}

/** A result that only the next step reads, made whole again when the run goes on. */
export const betweenSink = (scratch: Scratch, place: string): ParameterSink => scratch.create(place)
