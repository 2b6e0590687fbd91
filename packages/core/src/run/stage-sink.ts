import { memoryStore, type Parameter, type ParameterInfo, type ParameterStore, type ReadOptions } from '@tersor/tensor'
import type { ProgressEvent } from './progress-event.js'
import type { Scratch, Unit, UnitSink } from './scratch.js'

/** Takes what a pass changes stage by stage and, with a scratch folder, finds again what an earlier run finished. */
export interface StageSink {
  /** What an earlier run finished of the next stage: take it instead of writing. */
  resume(): Promise<Unit | undefined>
  write(name: string, parameter: Parameter): Promise<void>
  /** Ends a stage: what was written since the last end is safe from now on. */
  endStage(events: readonly ProgressEvent[]): Promise<void>
  /** A store of these names: what was written, and what the store before holds of those that were not. */
  finish(before: ParameterStore, names: readonly string[]): Promise<ParameterStore>
  abort(): Promise<void>
}

/** Some names of what was written and, where it was not, of the store before; what was written is closed with it. */
const overlay = (before: ParameterStore, names: readonly string[], stores: readonly ParameterStore[]): ParameterStore => {
  const written = new Map(stores.flatMap(store => store.names().map(name => [name, store] as const)))
  const all = Object.freeze([...names])
  const at = (name: string): ParameterStore => written.get(name) ?? before
  return Object.freeze({
    names: () => all,
    info: (name: string): ParameterInfo => at(name).info(name),
    read: (name: string, options?: ReadOptions) => at(name).read(name, options),
    close: async () => {
      for (const store of stores) await store.close?.()
    },
  })
}

/** In memory, for runs that nobody goes on with. */
export const memoryStageSink = (): StageSink => {
  const written = new Map<string, Parameter>()
  return {
    resume: async () => undefined,
    write: async (name, parameter) => void written.set(name, parameter),
    endStage: async () => {},
    finish: async (before, names) => {
      const all: Record<string, Parameter> = {}
      for (const name of names) all[name] = written.get(name) ?? (await before.read(name))
      return memoryStore(all)
    },
    abort: async () => written.clear(),
  }
}

/** Each stage is a unit of the scratch folder; `place` says which step of the pipeline writes, such as "0" or "1.0". */
export const stageSink = (scratch: Scratch, place: string): StageSink => {
  const stores: ParameterStore[] = []
  let current: UnitSink | undefined
  const unit = (): string => `${place}-${stores.length}`
  return Object.freeze({
    resume: async () => {
      const found = await scratch.find(unit())
      if (found) stores.push(found.params)
      return found
    },
    write: (name, parameter) => (current ??= scratch.create(unit())).write(name, parameter),
    endStage: async events => {
      current ??= scratch.create(unit())
      stores.push(await current.finish(events))
      current = undefined
    },
    finish: async (before, names) => overlay(before, names, stores),
    abort: async () => {
      await current?.abort()
      for (const store of stores) await store.close?.()
    },
  } satisfies StageSink)
}
