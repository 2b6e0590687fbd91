import { memoryStore, type Parameter, type ParameterInfo, type ParameterStore, type ReadOptions } from '@tersor/tensor'
import type { ProgressEvent } from './progress-event.js'
import type { Scratch, Unit } from './scratch.js'

/** Takes what a pass changes stage by stage and, with a scratch folder, finds again what an earlier run finished. */
export interface StageSink {
  /** What an earlier run finished of the next stage: take it instead of writing. */
  resume(): Promise<Unit | undefined>
  /**
   * Takes what a stage changed, which must not be written to any more. It may give back before all of it is safe: the next call waits for that,
   * and throws what went wrong.
   */
  endStage(changed: ReadonlyMap<string, Parameter>, events: readonly ProgressEvent[]): Promise<void>
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
    outline: (name: string) => at(name).outline?.(name),
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
    endStage: async changed => changed.forEach((parameter, name) => written.set(name, parameter)),
    finish: async (before, names) => {
      const all: Record<string, Parameter> = {}
      for (const name of names) all[name] = written.get(name) ?? (await before.read(name))
      return memoryStore(all)
    },
    abort: async () => written.clear(),
  }
}

/**
 * Each stage is a unit of the scratch folder, written while the next one computes: memory holds what two stages changed at most.
 * `place` says which step of the pipeline writes, such as "0" or "1.0".
 */
export const stageSink = (scratch: Scratch, place: string): StageSink => {
  const stores: ParameterStore[] = []
  let units = 0
  let last: Promise<unknown> = Promise.resolve()
  const unit = (): string => `${place}-${units}`
  return Object.freeze({
    resume: async () => {
      const found = await scratch.find(unit())
      if (found) stores[units++] = found.params
      return found
    },
    endStage: async (changed, events) => {
      await last
      const at = units
      last = scratch.save(unit(), changed, events).then(store => void (stores[at] = store))
      last.catch(() => {}) // thrown by the next call
      units++
    },
    finish: async (before, names) => {
      await last
      return overlay(before, names, stores)
    },
    abort: async () => {
      await last.catch(() => {})
      for (const store of stores) await store.close?.()
    },
  } satisfies StageSink)
}
