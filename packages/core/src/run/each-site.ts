import * as tf from '@tensorflow/tfjs-core'
import { byteLength, CompressionError, DTYPES, type DType } from '@tersor/tensor'
import type { Collector } from './calibrate.js'
import { toMatrix } from '../codecs/matrix.js'
import { decode } from '../model/decode.js'
import { decodeFinite, requireFiniteWeights } from '../model/decode-finite.js'
import type { Calibration, Context, Method, Pass } from '../step/method.js'
import { sitesOf, type Model, type Site, type Stage } from '../model/model.js'
import type { RecordedOptions } from '../step/options.js'
import { rewrite } from '../step/rewrite.js'
import { relativeError } from './relative-error.js'
import { selectedSites, selects } from '../model/select-sites.js'
import { walkStages, type Visit } from './walk.js'
import { withStatistics } from './with-statistics.js'

/** The method for a site, or undefined where it stays as it is. */
export type Chooser = (site: Site) => Method | undefined

export interface ChooserOptions {
  /** Of the pass, for provenance and progress. */
  readonly name: string
  /** What decides the choice: recorded in the saved file, and a stopped run goes on only where it is the same. */
  readonly options: RecordedOptions
}

/** Which method works on which site, by the site's name. */
type Choice = ReadonlyMap<string, Method>

/** Where one method works. */
const choiceOf = (method: Method, model: Model): Choice => {
  const sites = selectedSites(model, method, selects(method))
  return new Map(sites.map(({ name }) => [name, method]))
}

/** What a chooser gives, held against what each method says of itself. Throws NOT_FOUND and COMPOSITION. */
const chosenBy = (choose: Chooser, { name }: ChooserOptions, model: Model): Choice => {
  const choice = new Map<string, Method>()
  const ofWeight = new Map<string, Method>()
  for (const site of sitesOf(model)) {
    const method = choose(site)
    if (!method || method.accepts?.(site) === false) continue
    const other = ofWeight.get(site.weight)
    if (other && other !== method) throw twoMethods(name, site, [other.name, method.name])
    ofWeight.set(site.weight, method)
    choice.set(site.name, method)
  }
  if (choice.size === 0) selectedSites(model, { name }, () => false)
  return choice
}

const twoMethods = (pass: string, { name, weight }: Site, methods: readonly [string, string]): CompressionError =>
  new CompressionError(
    'COMPOSITION',
    `${pass} chooses ${methods[1]} at "${name}" for "${weight}", which ${methods[0]} compresses at another site already.`,
    'A weight that several sites share is stored once: give all of them the same method.',
    { pass, site: name, weight, methods },
  )

/**
 * Makes a pass of a method, or of a function from sites to methods: stage by stage it gathers statistics, compresses each site, and reruns the
 * stage with the compressed weights for the next stage's inputs. Memory is one stage plus the activations of all batches.
 */
export function eachSite(method: Method): Pass
export function eachSite(choose: Chooser, as: ChooserOptions): Pass
export function eachSite(what: Method | Chooser, as?: ChooserOptions): Pass {
  const { name, options } = typeof what === 'function' ? as! : what
  return Object.freeze<Pass>({
    kind: 'pass',
    name,
    ...(options ? { options } : {}),
    run: (model, context) =>
      compressSites(name, typeof what === 'function' ? chosenBy(what, as!, model) : choiceOf(what, model), model, context),
  })
}

const compressSites = (pass: string, choice: Choice, model: Model, context: Context): Promise<Model> => {
  const isChosen = (site: Site): boolean => choice.has(site.name)
  const owners = new Map(
    model.stages.flatMap(stage => stage.sites.filter(isChosen).map(site => [site.weight, stage] as const)), // the last that shares a weight
  )
  const walk = {
    pass,
    calibrated: [...choice.values()].some(({ calibrate }) => calibrate),
    owners,
    visits: ({ sites }: Stage) => sites.some(isChosen),
  }
  return walkStages(model, context, walk, visit => compressStage(choice, owners, context, visit))
}

const compressStage = async (choice: Choice, owners: ReadonlyMap<string, Stage>, context: Context, visit: Visit): Promise<void> => {
  const { stage } = visit
  const sites = stage.sites.filter(({ name }) => choice.has(name))
  const statistics = await gather(choice, sites, visit)
  for (const [index, site] of sites.entries()) {
    const method = choice.get(site.name)!
    const stats = method.calibrate && statistics.get(method.calibrate)
    if (owners.get(site.weight) === stage) await compressSite(method, site, stats, context, visit)
    stats?.release(site, sites.slice(index + 1))
  }
}

/** One collector for each kind of statistics that the methods of a stage ask for. */
const gather = async (choice: Choice, sites: readonly Site[], visit: Visit): Promise<ReadonlyMap<Calibration<any>, Collector>> => {
  const collectors = new Map<Calibration<any>, Collector>()
  for (const { calibrate } of sites.map(({ name }) => choice.get(name)!))
    if (calibrate && !collectors.has(calibrate))
      collectors.set(calibrate, await visit.statistics(calibrate, ({ name }) => choice.get(name)?.calibrate === calibrate))
  return collectors
}

const compressSite = async (method: Method, site: Site, stats: Collector | undefined, context: Context, visit: Visit): Promise<void> => {
  const { source, signal, rng } = context
  signal.throwIfAborted()
  const current = await visit.read(site.weight)
  const loaded = visit.loaded(site.weight)
  const isOwn = !loaded && current.kind === 'dense'
  const decoded = isOwn ? await decodeFinite(site.weight, current, { signal }) : loaded
  if (!isOwn) await requireFiniteWeights(site.weight, current, { signal })
  const before = source.params === visit.params ? current : await source.params.read(site.weight, { signal })
  const job = {
    site,
    rng: rng.fork(site.name),
    signal,
    original: async () => tf.tidy(() => toMatrix(decode(before), site.outAxis)),
    dtype: floatDType(source.params.info(site.weight).dtype),
    warn: (message: string) => visit.emit({ type: 'warning', pass: method.name, site: site.name, message }),
  }
  const seen = stats?.of(site) ?? { stats: undefined, samples: 0 }
  const result = await rewrite(method, site, current, decoded, (weight, standing, mask) =>
    withStatistics(method, site, weight.shape[1], seen, job.warn, async known =>
      method.apply(weight, { ...job, ...known, current: standing, ...(mask ? { mask } : {}) }),
    ),
  ).finally(() => (isOwn ? decoded?.dispose() : undefined))
  const error = await relativeError(before, result, { signal })
  if (!Number.isFinite(error)) throw brokenResult(method.name, site)
  const [bytesBefore, bytesAfter] = [byteLength(current), byteLength(result)]
  visit.replace(site.weight, result, {
    type: 'compressed',
    pass: method.name,
    site: site.name,
    before: bytesBefore,
    after: bytesAfter,
    error,
  })
}

const brokenResult = (method: string, { name, weight }: Site): CompressionError =>
  new CompressionError(
    'NOT_FINITE',
    `${method} at ${name} gives numbers that are NaN or infinite, though "${weight}" has none.`,
    'Its numbers go beyond the range of what the method stores: leave this one out with only, or use another method there.',
    { method, site: name, weight },
  )

const floatDType = (dtype: DType | undefined): DType => (dtype && DTYPES[dtype].kind === 'float' ? dtype : 'f32')
