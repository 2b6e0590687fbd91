import * as tf from '@tensorflow/tfjs-core'
import { byteLength, CompressionError, DTYPES, type DType, type Parameter, type ParameterSink } from '@tersor/tensor'
import { collector, observe, type Collector } from './calibrate.js'
import { toMatrix } from './codecs/matrix.js'
import { decode } from './decode.js'
import { checkFinite } from './finite.js'
import { loadWeights, type LoadedWeights } from './forward.js'
import type { Batches, Context, Method, Pass } from './method.js'
import type { Model, Site, Stage } from './model.js'
import { rewrite } from './rewrite.js'
import { selectedSites, selects } from './sites.js'

/** What one layerwise pass carries from stage to stage. */
interface Run {
  readonly method: Method
  readonly model: Model
  readonly context: Context
  readonly out: ParameterSink
  readonly selected: (site: Site) => boolean
  /** Names written so far. */
  readonly written: Set<string>
  /** The stage that will write a weight, where several stages share it. */
  readonly writer: ReadonlyMap<string, Stage>
}

/**
 * Makes a pass of a method: stage by stage it gathers statistics, compresses each site, and reruns the stage
 * with the compressed weights for the next stage's inputs. Memory is one stage plus the activations of all batches.
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
      const out = context.sink()
      const run: Run = { method, model, context, out, selected, written: new Set(), writer }
      let inputs: tf.Tensor[] = []
      let owned = false
      try {
        if (method.calibrate) inputs = await collect(method, context.calibration)
        for (const [index, stage] of model.stages.entries()) {
          context.emit({ type: 'stage', pass: method.name, stage: stage.name, index, of: model.stages.length })
          const outputs = await runStage(run, stage, inputs, index < last && inputs.length > 0)
          if (owned) tf.dispose(inputs)
          inputs = outputs
          owned = true
        }
        await copyRest(run)
        return { ...model, params: await out.finish() }
      } catch (error) {
        await out.abort()
        throw error
      } finally {
        if (owned) tf.dispose(inputs)
      }
    },
  })

const collect = async (method: Method, batches: Batches | undefined): Promise<tf.Tensor[]> => {
  const inputs: tf.Tensor[] = []
  for await (const batch of batches ?? []) inputs.push(batch)
  if (inputs.length > 0) return inputs
  throw new CompressionError(
    'NO_CALIBRATION',
    `${method.name} learns from inputs, and no calibration batch was given.`,
    'Pass calibration: batches of token ids or images (on the command line: --calibrate FILE).',
    { method: method.name },
  )
}

const runStage = async (run: Run, stage: Stage, inputs: readonly tf.Tensor[], needOutputs: boolean): Promise<tf.Tensor[]> => {
  const { method, context, selected } = run
  const sites = stage.sites.filter(selected)
  const calibration = sites.length > 0 ? method.calibrate : undefined
  const stats = calibration ? collector(calibration, selected) : undefined
  const changed = new Map<string, Parameter>()
  try {
    if (stats) await withWeights(run, stage, changed, weights => gather(run, stage, inputs, weights, stats))
    for (const site of sites) if (run.writer.get(site.weight) === stage) changed.set(site.weight, await compressSite(run, site, stats))
    for (const name of stage.parameters)
      if (!run.writer.has(name) || run.writer.get(name) === stage) await writeOnce(run, name, changed.get(name))
    if (!needOutputs) return []
    const outputs: tf.Tensor[] = []
    try {
      await withWeights(run, stage, changed, async ({ weights }) => {
        for (const x of inputs) {
          context.signal.throwIfAborted()
          outputs.push(tf.tidy(() => stage.run(x, { weights })))
        }
      })
      return outputs
    } catch (error) {
      tf.dispose(outputs)
      throw error
    }
  } finally {
    stats?.dispose()
  }
}

const withWeights = async (
  run: Run,
  stage: Stage,
  changed: ReadonlyMap<string, Parameter>,
  body: (loaded: LoadedWeights) => Promise<void>,
): Promise<void> => {
  const { params } = run.model
  const overlay = { ...params, read: async (name: string) => changed.get(name) ?? params.read(name) }
  const loaded = await loadWeights(overlay, stage.parameters, run.context.signal)
  try {
    await body(loaded)
  } finally {
    loaded.dispose()
  }
}

const gather = async (
  run: Run,
  stage: Stage,
  inputs: readonly tf.Tensor[],
  { weights }: LoadedWeights,
  stats: Collector,
): Promise<void> => {
  for (const [batch, x] of inputs.entries()) {
    run.context.signal.throwIfAborted()
    observe(stage, x, weights, stats.tap)
    run.context.emit({ type: 'calibrated', pass: run.method.name, stage: stage.name, batch })
    await Promise.resolve()
  }
}

const compressSite = async ({ method, model, context }: Run, site: Site, stats: Collector | undefined): Promise<Parameter> => {
  context.signal.throwIfAborted()
  const current = await model.params.read(site.weight, { signal: context.signal })
  checkFinite(site.weight, current)
  const original = async (): Promise<tf.Tensor2D> => {
    const parameter = await context.source.params.read(site.weight, { signal: context.signal })
    return tf.tidy(() => toMatrix(decode(parameter), site.outAxis))
  }
  const seen = stats?.of(site) ?? { stats: undefined, samples: 0 }
  const job = {
    site,
    ...seen,
    rng: context.rng.fork(site.name),
    signal: context.signal,
    original,
    dtype: floatDType(context.source.params.info(site.weight).dtype),
    warn: (message: string) => context.emit({ type: 'warning', pass: method.name, site: site.name, message }),
  }
  const result = await rewrite(method, site, current, async (weight, standing, mask) =>
    method.apply(weight, { ...job, current: standing, ...(mask ? { mask } : {}) }),
  )
  const error = await relativeError(result, original, site.outAxis)
  context.emit({ type: 'compressed', pass: method.name, site: site.name, before: byteLength(current), after: byteLength(result), error })
  return result
}

const floatDType = (dtype: DType | undefined): DType => (dtype && DTYPES[dtype].kind === 'float' ? dtype : 'f32')

/** ‖W − Ŵ‖² / ‖W‖². */
const relativeError = async (result: Parameter, original: () => Promise<tf.Tensor2D>, outAxis: number): Promise<number> => {
  const before = await original()
  const ratio = tf.tidy(() => {
    const difference = tf.sub(before, toMatrix(decode(result), outAxis))
    return tf.div(tf.sum(tf.square(difference)), tf.maximum(tf.sum(tf.square(before)), 1e-30))
  })
  try {
    return (await ratio.data())[0]
  } finally {
    tf.dispose([before, ratio])
  }
}

const writeOnce = async ({ model, context, out, written }: Run, name: string, changed?: Parameter): Promise<void> => {
  if (written.has(name)) return
  const parameter = changed ?? (await model.params.read(name, { signal: context.signal }))
  if (!changed) checkFinite(name, parameter)
  await out.write(name, parameter)
  written.add(name)
}

const copyRest = async (run: Run): Promise<void> => {
  for (const name of run.model.params.names()) await writeOnce(run, name)
}
