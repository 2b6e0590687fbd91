import type { Parameter, ParameterStore } from '@tersor/tensor'
import type { Context } from '../step/method.js'
import type { Model, Stage } from '../model/model.js'
import type { ProgressEvent } from './progress-event.js'
import type { Unit } from './scratch.js'

/** What a pass makes of a stage: parameters in the place of others, and new ones. */
export type Changed = ReadonlyMap<string, Parameter>

export interface StageWriterOptions {
  /** The stage that changes a parameter, where several read it: the first that does where absent. */
  readonly owners?: ReadonlyMap<string, Stage>
  /** Parameters that the result has no more. */
  readonly without?: ReadonlySet<string>
}

/** Writes a result stage by stage, each name once; with a scratch folder a later run finds the stages again. */
export interface StageWriter {
  /** What an earlier run finished, from the first stage on. Call it before the rest. */
  finished(stages: readonly Stage[]): Promise<readonly Unit[]>
  /** What is written with a stage: parameters that it reads and no other stage writes. */
  ownedBy(stage: Stage): readonly string[]
  /** Writes what was changed of a stage; what was not stays in the store before. */
  write(stage: Stage, changed: Changed, events: readonly ProgressEvent[]): Promise<void>
  /** Whether the result holds a parameter, so far. */
  has(name: string): boolean
  /** The result: what was written, and what was not as it stood. */
  finish(): Promise<ParameterStore>
  abort(): Promise<void>
}

export const stageWriter = (
  model: Model,
  context: Context,
  { owners = new Map(), without = new Set() }: StageWriterOptions = {},
): StageWriter => {
  const { signal } = context
  const out = context.staged()
  /** Of the stages so far: nobody changes them any more. */
  const passed = new Set<string>()
  const written = new Set<string>()
  const own = new Set(model.params.names())
  const ownedBy = (stage: Stage): readonly string[] => {
    const owned = stage.parameters.filter(name => !passed.has(name) && !without.has(name) && (owners.get(name) ?? stage) === stage)
    return [...new Set(owned)]
  }
  const pass = (stage: Stage, names: Iterable<string>): void => {
    for (const name of ownedBy(stage)) passed.add(name)
    for (const name of names) {
      passed.add(name)
      written.add(name)
    }
  }
  return {
    ownedBy,
    has: name => written.has(name) || (own.has(name) && !without.has(name)),
    finished: async stages => {
      const units: Unit[] = []
      for (let unit = await out.resume(); unit; unit = await out.resume()) {
        pass(stages[units.length], unit.params.names())
        units.push(unit)
      }
      return units
    },
    write: async (stage, changed, events) => {
      const again = [...changed.keys()].find(name => passed.has(name))
      if (again !== undefined) throw new Error(`"${again}" was written with an earlier stage and is changed now.`)
      signal.throwIfAborted()
      pass(stage, changed.keys())
      await out.endStage(changed, events)
    },
    finish: () => {
      const kept = model.params.names().filter(name => !without.has(name))
      return out.finish(model.params, [...kept, ...[...written].filter(name => !own.has(name))])
    },
    abort: () => out.abort(),
  }
}
