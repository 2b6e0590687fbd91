import type { Parameter, ParameterStore } from '@tersor/tensor'
import type { Context } from './method.js'
import type { Model, Stage } from './model.js'
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
  finished(): Promise<readonly Unit[]>
  /** What is written with a stage: parameters that it reads and no other stage writes. */
  ownedBy(stage: Stage): readonly string[]
  /** Writes what the stage reads and what was changed of it; `read` gives what was not. */
  write(stage: Stage, changed: Changed, read: ParameterStore['read'], events: readonly ProgressEvent[]): Promise<void>
  /** Whether the result holds a parameter, so far. */
  has(name: string): boolean
  /** Writes what no stage reads. */
  finish(): Promise<ParameterStore>
  abort(): Promise<void>
}

export const stageWriter = (model: Model, context: Context, { owners = new Map(), without }: StageWriterOptions = {}): StageWriter => {
  const { signal } = context
  const out = context.staged()
  const written = new Set<string>(without)
  const writeOnce = async (name: string, read: ParameterStore['read'], changed?: Parameter): Promise<void> => {
    if (written.has(name)) {
      if (changed && !without?.has(name)) throw new Error(`"${name}" was written with an earlier stage and is changed now.`)
      return
    }
    signal.throwIfAborted()
    await out.write(name, changed ?? (await read(name, { signal })))
    written.add(name)
  }
  const ownedBy = (stage: Stage): readonly string[] => {
    const owned = stage.parameters.filter(name => !written.has(name) && (owners.get(name) ?? stage) === stage)
    return [...new Set(owned)]
  }
  return {
    ownedBy,
    has: name => written.has(name) && !without?.has(name),
    finished: async () => {
      const units: Unit[] = []
      for (let unit = await out.resume(); unit; unit = await out.resume()) {
        units.push(unit)
        unit.params.names().forEach(name => written.add(name))
      }
      return units
    },
    write: async (stage, changed, read, events) => {
      for (const name of new Set([...ownedBy(stage), ...changed.keys()])) await writeOnce(name, read, changed.get(name))
      await out.endStage(events)
    },
    finish: async () => {
      for (const name of model.params.names()) await writeOnce(name, model.params.read)
      return out.finish()
    },
    abort: () => out.abort(),
  }
}
