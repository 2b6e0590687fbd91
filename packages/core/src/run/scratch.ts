import type { Parameter, ParameterSink, ParameterStore } from '@tersor/tensor'
import type { ProgressEvent } from './progress-event.js'

/** Everything that decides the bytes of a run, by name; a run goes on only where all of it is the same. */
export type Fingerprint = Readonly<Record<string, string>>

/** What a run finished at one go, such as a stage of a step. */
export interface Unit {
  readonly params: ParameterStore
  /** What was reported while it was made. */
  readonly events: readonly ProgressEvent[]
}

/** Bytes that do not fit in memory; gone when it is closed. */
export interface Spill {
  write(at: number, bytes: Uint8Array): Promise<void>
  read(at: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** A working place that outlives the process: `scratchFolder` of @tersor/formats is one. */
export interface Scratch {
  /** For messages. */
  readonly path: string
  /**
   * Starts a run, or goes on with the one that stopped here. Call it before the rest.
   * Gives 'published' where that one had put its result in its place. Throws RESUME where there is nothing to go on with, where the
   * fingerprint differs, and where a stopped run would be lost; IN_USE where another process works here.
   */
  begin(fingerprint: Fingerprint, resume: boolean): Promise<'begun' | 'published'>
  /** A unit that was finished, by this run or the one it goes on with. */
  find(unit: string): Promise<Unit | undefined>
  /** A sink for a whole model that only the next step reads; a run that goes on makes it again. */
  create(unit: string): ParameterSink
  /**
   * Writes a unit at one go, in the place of an older one of its name, and writes down that it is finished, so that a later run finds it;
   * gives it as a store.
   */
  save(unit: string, parameters: ReadonlyMap<string, Parameter>, events: readonly ProgressEvent[]): Promise<ParameterStore>
  spill(): Promise<Spill>
  /** How many units are written down as finished. */
  finished(): number
  /** Writes down that the result is about to be put in its place, or is there. */
  publish(state: 'publishing' | 'published'): Promise<void>
  /** Lets go of the files and keeps them. */
  close(): Promise<void>
  remove(): Promise<void>
}
