import * as tf from '@tensorflow/tfjs-core'
import { byteLength, CompressionError, DTYPES, type DType, type Parameter, type ParameterStore } from '@tersor/tensor'
import type { Activations } from './activations.js'
import { collectBatches, collector, observe, type Collector } from './calibrate.js'
import { toMatrix } from './codecs/matrix.js'
import { decode } from './decode.js'
import { checkFinite } from './finite.js'
import { loadWeights, type LoadedWeights } from './forward.js'
import type { Context, Method, Pass } from './method.js'
import type { Model, Site, Stage } from './model.js'
import type { ProgressEvent } from './progress-event.js'
import { rewrite } from './rewrite.js'
import { relativeError } from './row-source.js'
import type { Unit } from './scratch.js'
import { selectedSites, selects } from './sites.js'
import { withStatistics } from './with-statistics.js'
import type { StagedSink } from './staged.js'

/** What one layerwise pass carries from stage to stage. */
interface Run {
  readonly method: Method
  readonly model: Model
  readonly context: Context
  readonly out: StagedSink
  readonly selected: (site: Site) => boolean
  /** Names written so far. */
  readonly written: Set<string>
  /** The stage that will write a weight, where several stages share it. */
  readonly writer: ReadonlyMap<string, Stage>
}

/** One stage of a run. */
interface Turn {
  readonly stage: Stage
  readonly index: number
  readonly inputs: Activations | undefined
  /** What an earlier run made of it. */
  readonly done?: Unit | undefined
  /** Whether a later stage wants this one's outputs. */
  readonly needOutputs: boolean
}

/**
 * Makes a pass of a method: stage by stage it gathers statistics, compresses each site, and reruns the stage
 * with the compressed weights for the next stage's inputs. Memory is one stage plus the activations of all batches.
 * Where an earlier run has finished a stage, only its outputs are computed, from the weights that were written.
 */
export const layerwise = (method: Method, options: { readonly only?: (site: Site) => boolean } = {}): Pass =>
  Object.freeze<Pass>({
    kind: 'pass',
    name: method.name,
    ...(method.options ? { options: method.options } : {}),
    run: async (model, context) => {
      const selected = selects(method, options.only)
      const sites = new Set(selectedSites(model, method, selected))
      const last = model.stages.findLastIndex(stage => stage.sites.some(site => sites.has(site)))
      const writer = new Map(
        model.stages.flatMap(stage => stage.sites.filter(site => sites.has(site)).map(site => [site.weight, stage] as const)),
      )
      const out = context.staged()
      const run: Run = { method, model, context, out, selected, written: new Set(), writer }
      let inputs: Activations | undefined
      try {
        if (method.calibrate) inputs = context.activations(await collectBatches(method.name, context.calibration))
        const finished = await finishedUnits(run)
        const hasOpenSites = finished.length <= last
        for (const [index, stage] of model.stages.entries())
          await takeTurn(run, { stage, index, inputs, done: finished[index], needOutputs: index < last && hasOpenSites })
        await copyRest(run)
        return { ...model, params: await out.finish() }
      } catch (error) {
        await out.abort()
        throw error
      } finally {
        await inputs?.dispose()
      }
    },
  })

/** Stages that an earlier run has written, from the first on; behind the last may stand what belongs to no stage. */
const finishedUnits = async ({ out, written }: Run): Promise<Unit[]> => {
  const units: Unit[] = []
  for (let unit = await out.resume(); unit; unit = await out.resume()) {
    units.push(unit)
    unit.params.names().forEach(name => written.add(name))
  }
  return units
}

const takeTurn = async (run: Run, turn: Turn): Promise<void> => {
  const { context, method, model } = run
  const { stage, index, done } = turn
  const place = { pass: method.name, stage: stage.name, index, of: model.stages.length }
  if (!done) {
    context.emit({ type: 'stage', ...place })
    return runStage(run, turn)
  }
  done.events.forEach(event => context.emit(event))
  context.emit({ type: 'resumed', ...place })
  const names = new Set(done.params.names())
  await advance(run, turn, (name, options) => (names.has(name) ? done.params : model.params).read(name, options))
}

/** Takes the inputs through the stage as it is now: they become the next stage's. */
const advance = async (run: Run, { stage, inputs, needOutputs }: Turn, read: ParameterStore['read']): Promise<void> => {
  if (!inputs || !needOutputs) return
  await withWeights(run, stage, read, async ({ weights }) => {
    for (let batch = 0; batch < inputs.count; batch++) {
      run.context.signal.throwIfAborted()
      const next = await inputs.use(batch, x => tf.tidy(() => stage.run(x, { weights })))
      await inputs.replace(batch, next)
    }
  })
}

const runStage = async (run: Run, turn: Turn): Promise<void> => {
  const { method, model, selected } = run
  const { stage, inputs } = turn
  const sites = stage.sites.filter(selected)
  const events: ProgressEvent[] = []
  const listening: Run = { ...run, context: { ...run.context, emit: event => (events.push(event), run.context.emit(event)) } }
  const calibration = sites.length > 0 ? method.calibrate : undefined
  const stats = calibration ? collector(calibration, selected) : undefined
  const changed = new Map<string, Parameter>()
  try {
    if (stats && inputs) await withWeights(run, stage, model.params.read, weights => gather(run, stage, inputs, weights, stats))
    await stats?.settle()
    for (const [index, site] of sites.entries()) {
      if (run.writer.get(site.weight) === stage) changed.set(site.weight, await compressSite(listening, site, stats))
      stats?.release(site, sites.slice(index + 1))
    }
  } finally {
    stats?.dispose()
  }
  for (const name of stage.parameters)
    if (!run.writer.has(name) || run.writer.get(name) === stage) await writeOnce(run, name, changed.get(name))
  await run.out.endStage(events)
  await advance(run, turn, async (name, options) => changed.get(name) ?? model.params.read(name, options))
}

const withWeights = async (
  run: Run,
  stage: Stage,
  read: ParameterStore['read'],
  body: (loaded: LoadedWeights) => Promise<void>,
): Promise<void> => {
  const loaded = await loadWeights({ ...run.model.params, read }, stage.parameters, run.context.signal)
  try {
    await body(loaded)
  } finally {
    loaded.dispose()
  }
}

const gather = async (run: Run, stage: Stage, inputs: Activations, { weights }: LoadedWeights, stats: Collector): Promise<void> => {
  for (let batch = 0; batch < inputs.count; batch++) {
    run.context.signal.throwIfAborted()
    await inputs.use(batch, x => observe(stage, x, weights, stats.tap))
    run.context.emit({ type: 'calibrated', pass: run.method.name, stage: stage.name, batch })
    await Promise.resolve()
  }
}

const compressSite = async ({ method, model, context }: Run, site: Site, stats: Collector | undefined): Promise<Parameter> => {
  context.signal.throwIfAborted()
  const current = await model.params.read(site.weight, { signal: context.signal })
  checkFinite(site.weight, current)
  const first = async (): Promise<Parameter> =>
    context.source.params === model.params ? current : context.source.params.read(site.weight, { signal: context.signal })
  const original = async (): Promise<tf.Tensor2D> => {
    const parameter = await first()
    return tf.tidy(() => toMatrix(decode(parameter), site.outAxis))
  }
  const seen = stats?.of(site) ?? { stats: undefined, samples: 0 }
  const job = {
    site,
    rng: context.rng.fork(site.name),
    signal: context.signal,
    original,
    dtype: floatDType(context.source.params.info(site.weight).dtype),
    warn: (message: string) => context.emit({ type: 'warning', pass: method.name, site: site.name, message }),
  }
  const result = await rewrite(method, site, current, (weight, standing, mask) =>
    withStatistics(method, site, weight.shape[1], seen, job.warn, async known =>
      method.apply(weight, { ...job, ...known, current: standing, ...(mask ? { mask } : {}) }),
    ),
  )
  const error = await relativeError(await first(), result, { signal: context.signal })
  if (!Number.isFinite(error)) throw brokenResult(method.name, site)
  context.emit({ type: 'compressed', pass: method.name, site: site.name, before: byteLength(current), after: byteLength(result), error })
  return result
}

const brokenResult = (method: string, { name, weight }: Site): CompressionError =>
  new CompressionError(
    'NOT_FINITE',
    `${method} at ${name} gives numbers that are NaN or infinite, though "${weight}" has none.`,
    'Its numbers go beyond the range of what the method stores: leave this one out with only, or use another method there.',
    { method, site: name, weight },
  )

const floatDType = (dtype: DType | undefined): DType => (dtype && DTYPES[dtype].kind === 'float' ? dtype : 'f32')

const writeOnce = async ({ model, context, out, written }: Run, name: string, changed?: Parameter): Promise<void> => {
  if (written.has(name)) return
  await out.write(name, changed ?? (await model.params.read(name, { signal: context.signal })))
  written.add(name)
}

const copyRest = async (run: Run): Promise<void> => {
  for (const name of run.model.params.names()) await writeOnce(run, name)
}
