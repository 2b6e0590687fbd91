import { CompressionError, type Dense, type Parameter, type ParameterStore } from '@tersor/tensor'
import type { Activations } from './activations.js'
import { collectBatches, type Collector } from './calibrate.js'
import { checkFinite } from '../model/check-finite.js'
import type { Calibration, Context } from '../step/method.js'
import type { Model, Site, Stage, Tap } from '../model/model.js'
import type { ProgressEvent } from './progress-event.js'
import type { Unit } from './scratch.js'
import { followStages, type StageView } from './stage-view.js'
import { stageWriter, type StageWriterOptions } from './stage-writer.js'

/** One stage as a pass sees it. */
export interface Visit extends Pick<StageView, 'stage' | 'index' | 'inputs' | 'read' | 'loaded' | 'outputs'> {
  /** The store of the model that is walked. */
  readonly params: ParameterStore
  /** Parameters that are written with this stage: those that it reads and no other stage writes. */
  readonly owned: readonly string[]
  /** Runs the stage over all batches and shows the tap what its sites see; `after` each of them, tensors that the tap kept may be read. */
  gather(tap: Tap, after?: () => Promise<void>): Promise<void>
  /** Statistics of what the chosen sites see; freed behind the visit. */
  statistics(calibration: Calibration<any>, chosen: (site: Site) => boolean): Promise<Collector>
  /** A plain parameter that will be changed, as it is now. Throws COMPOSITION for a compressed one, NOT_FINITE for a broken one. */
  dense(name: string): Promise<Dense>
  /** Puts a parameter in the place of another, or adds one; the event is that it changed where none is given. Throws NOT_FINITE. */
  replace(name: string, parameter: Parameter, event?: ProgressEvent): void
  /** Reports what is told again when the run goes on behind this stage. */
  emit(event: ProgressEvent): void
}

export interface WalkOptions extends StageWriterOptions {
  /** Of the pass, for errors and progress. */
  readonly pass: string
  /** Whether stages see calibration inputs; throws NO_CALIBRATION where there are none. */
  readonly calibrated?: boolean
  /** What the next stage sees: what comes of the changed parameters (where absent), or of those that stood, where a pass changes no output. */
  readonly follow?: 'changed' | 'original'
  /** Which stages are visited; others are copied. */
  readonly visits?: (stage: Stage) => boolean
  /** Whether what no stage reads is visited too, as one more stage without sites; it is copied where absent. */
  readonly others?: boolean
  /** The stage that reads what was written, where that is another one. */
  readonly restage?: (stage: Stage, has: (name: string) => boolean) => Stage
}

/** Says that a pass came too late for a parameter. */
export const alreadyCompressed = (pass: string, parameter: string, codec: string): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `${pass} would change "${parameter}", which is compressed already (${codec}).`,
    `Put ${pass} before the step that compressed it.`,
    { pass, parameter, codec },
  )

/** A plain parameter that a pass will change. Throws COMPOSITION for a compressed one, NOT_FINITE for a broken one. */
export const readDense = async (pass: string, params: Pick<ParameterStore, 'read'>, name: string, signal?: AbortSignal): Promise<Dense> => {
  const parameter = await params.read(name, signal ? { signal } : {})
  if (parameter.kind === 'encoded') throw alreadyCompressed(pass, name, parameter.codec.name)
  checkFinite(name, parameter)
  return parameter
}

/** The stages, and one more where parameters belong to none. */
const withOthers = ({ stages, params }: Model, without: ReadonlySet<string> = new Set()): readonly Stage[] => {
  const read = new Set(stages.flatMap(({ parameters }) => parameters))
  const others = params.names().filter(name => !read.has(name) && !without.has(name))
  return others.length === 0 ? stages : [...stages, { name: 'other parameters', parameters: others, sites: [], run: x => x }]
}

interface Visited {
  readonly visit: Visit
  readonly changed: ReadonlyMap<string, Parameter>
  readonly events: readonly ProgressEvent[]
}

const visitOf = (view: StageView, { model, context, options, writer }: Walk): Visited => {
  const { pass, follow = 'changed' } = options
  const { stage, index, inputs, loaded, outputs } = view
  const changed = new Map<string, Parameter>()
  const events: ProgressEvent[] = []
  const emit = (event: ProgressEvent): void => {
    events.push(event)
    context.emit(event)
  }
  const read = async (name: string): Promise<Parameter> => changed.get(name) ?? view.read(name)
  const calibrated = (batch: number): void => context.emit({ type: 'calibrated', pass, stage: stage.name, batch })
  const visit: Visit = {
    ...{ stage, index, loaded, outputs, read, emit, ...(inputs ? { inputs } : {}) },
    params: model.params,
    owned: writer.ownedBy(stage),
    gather: (tap, after) =>
      view.gather(tap, async batch => {
        await after?.()
        calibrated(batch)
      }),
    statistics: (calibration, chosen) => view.statistics(calibration, chosen, async batch => calibrated(batch)),
    dense: name => readDense(pass, { read }, name),
    replace: (name, parameter, event) => {
      if (!event) checkFinite(name, parameter)
      changed.set(name, parameter)
      if (follow === 'changed') view.put(name, async () => parameter)
      emit(event ?? { type: 'changed', pass, parameter: name })
    },
  }
  return { visit, changed, events }
}

/** What later stages read in the place of what they read in the model: parameters that they share with stages before. */
const sharedBy = (stages: readonly Stage[]) => {
  const made = new Map<string, () => Promise<Parameter>>()
  const names = stages.map(({ parameters }) => new Set(parameters))
  return {
    made,
    /** Keeps what a stage made for the later ones that read it too. */
    keep: (index: number, name: string, read: () => Promise<Parameter>): void => {
      if (names.some((each, at) => at > index && each.has(name))) made.set(name, read)
    },
  }
}

/**
 * Takes a pass through a model stage by stage: each visit sees its stage, the stage's inputs and what becomes of them, and replaces parameters;
 * what it leaves is written and goes on to the next stage. Memory is one stage and the activations.
 * Where an earlier run has finished a stage, only its outputs are computed, from the parameters that were written.
 * Throws NO_CALIBRATION, what a visit throws, or the signal's reason; the result is then taken back.
 */
export const walkStages = async (
  model: Model,
  context: Context,
  options: WalkOptions,
  visit: (visit: Visit) => Promise<void>,
): Promise<Model> => {
  const { pass, calibrated, visits = () => true, restage = (stage: Stage) => stage } = options
  const writer = stageWriter(model, context, options)
  let inputs: Activations | undefined
  try {
    if (calibrated) inputs = context.activations(await collectBatches(pass, context.calibration))
    const stages = options.others ? withOthers(model, options.without) : model.stages
    const finished = await writer.finished(stages)
    const last = model.stages.findLastIndex(visits)
    const { made, keep } = sharedBy(stages)
    const params = { read: async (name: string, how?: object) => (await made.get(name)?.()) ?? model.params.read(name, how) }
    const own = new Set(model.params.names())
    const following = { ...{ signal: context.signal }, until: finished.length <= last ? last : 0 }
    const walk = { model, of: stages.length, context, options, writer, keep, visit }
    await followStages({ stages, params }, inputs, following, async view => {
      const unit = finished[view.index]
      const names = unit ? takeUnit(walk, view, unit) : await takeStage(walk, view)
      return restage(view.stage, name => own.has(name) || names.has(name))
    })
    const store = await writer.finish()
    return { ...model, params: store, stages: model.stages.map(stage => restage(stage, writer.has)) }
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    await inputs?.dispose()
  }
}

interface Walk {
  readonly model: Model
  readonly of: number
  readonly context: Context
  readonly options: WalkOptions
  readonly writer: ReturnType<typeof stageWriter>
  readonly keep: ReturnType<typeof sharedBy>['keep']
  readonly visit: (visit: Visit) => Promise<void>
}

const placeOf = ({ stage, index }: StageView, { of, options }: Walk) => ({ pass: options.pass, stage: stage.name, index, of })

/** Puts what an earlier run finished in its place. */
const takeUnit = (walk: Walk, view: StageView, { params, events }: Unit): ReadonlySet<string> => {
  const { context, options, keep } = walk
  events.forEach(event => context.emit(event))
  context.emit({ type: 'resumed', ...placeOf(view, walk) })
  const names = params.names()
  for (const name of names) {
    const read = (): Promise<Parameter> => params.read(name, { signal: context.signal })
    if (options.follow !== 'original') view.put(name, read)
    keep(view.index, name, read)
  }
  return new Set(names)
}

/** Visits a stage and writes what came of it. */
const takeStage = async (walk: Walk, view: StageView): Promise<ReadonlySet<string>> => {
  const { context, options, writer, keep, visit } = walk
  context.emit({ type: 'stage', ...placeOf(view, walk) })
  const { visit: shown, changed, events } = visitOf(view, walk)
  if (options.visits?.(view.stage) ?? true) await visit(shown)
  await writer.write(view.stage, changed, events)
  for (const [name, parameter] of changed) keep(view.index, name, async () => parameter)
  return new Set(changed.keys())
}
