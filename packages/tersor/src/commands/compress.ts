import * as tf from '@tensorflow/tfjs-core'
import {
  callText,
  compress as run,
  inputNames,
  othersText,
  pack,
  pipeline,
  sitesOf,
  type OtherWeight,
  type ProgressEvent,
} from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation'
import type { OpenedModel } from '@tersor/models/open-model'
import { calibrationText, readCalibration } from '../calibration.js'
import { garbageCollector } from '../collect-garbage.js'
import { teeSink } from '../tee-sink.js'
import { noteMemory } from '../memory-bound.js'
import { openOutput, type SavedModel } from '../model-output.js'
import { inFormatOf } from '../in-format-of.js'
import { bytesText, note, paint, tableOf, widthOf, writeResult, type Terminal } from '../output.js'
import { refusePlanned } from '../planned-layers.js'
import { progressOn } from '../progress.js'
import { runFacts, stopped } from '../run-facts.js'
import { asItIs } from '../targets/as-it-is.js'
import { emptyImatrix, fillImatrix } from '../targets/importance.js'
import { inTarget, type TargetFlags } from '../targets/in-target.js'
import { withVariants } from '../targets/variants.js'
import { withModel } from '../with-model.js'
import { noteGrowth, weightBytes } from '../weight-bytes.js'
import { writerOf } from '../writer-of.js'
import { stepsFor } from './compress-steps.js'
import { requireAgreement, verificationText, verify, type Verification, type VerifyRequest } from '../verify.js'

export interface CompressFlags extends TargetFlags {
  readonly out: string
  readonly samples?: number
  readonly length?: number
  readonly shuffle: boolean
  readonly seed: number
  readonly overwrite: boolean
  readonly resume: boolean
  /** Whether the result is run where it is meant to run. */
  readonly verify: boolean
  /** MiB. */
  readonly activationMemory: number
}

interface StepReport {
  /** Sites that it compressed or of which it changed something. */
  readonly changed: Set<string>
  readonly method: string
  readonly options: object
  sites: number
  /** Mean over sites of ‖W − Ŵ‖² / ‖W‖²; absent for steps that round no weight. */
  error?: number
}

/** `tersor compress MODEL --out DIR`: runs a pipeline and saves the result. */
export const compress = (terminal: Terminal, path: string, given: CompressFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, path, async (model, engine) => {
    const { flags: chosen, ...target } = await inTarget(model, given)
    const flags = inFormatOf(model, chosen)
    const started = Date.now()
    const steps = await stepsFor(terminal, model, flags, target.isWritten)
    const importance = target.weighs ? emptyImatrix() : undefined
    await refusePlanned(model, steps, flags)
    noteMemory(terminal, model, workOf(flags))
    const output = await openOutput(model, path, importance ? { ...flags, imatrix: importance } : flags)
    const { packs } = await writerOf(flags.format)
    const progress = progressOn(terminal)
    const collectGarbage = garbageCollector()
    const reports: StepReport[] = []
    let calibration: tf.Tensor[] = []
    const siteOf = sitesByParameter(model)
    const kept = flags.verify ? teeSink(output.sink) : undefined
    const runSteps = async (): Promise<OpenedModel> =>
      run(model, target.isWritten ? asItIs : pipeline(...steps, ...(packs ? [pack()] : [])), {
        seed: flags.seed,
        signal,
        onProgress: event => {
          progress.onProgress(event)
          record(reports, event, siteOf)
          collectGarbage()
        },
        sink: kept?.sink ?? output.sink,
        scratch: output.scratch,
        resume: flags.resume,
        ...(output.reopen ? { reopen: output.reopen } : {}),
        activationBytes: workOf(flags).activationBytes,
        facts: await runFacts(engine, model, flags, target.weighs),
        ...(calibration.length > 0 ? { calibration } : {}),
      }).catch(async error => {
        throw signal.aborted ? await stopped(output.scratch, error) : error
      })
    try {
      calibration = await learnFrom(terminal, model, path, flags)
      if (importance) await fillImatrix(importance, model, calibration, { signal, onProgress: progress.advance })
      const small = await runSteps()
      const told = { model, out: flags.out, calibration, seed: flags.seed, signal, onProgress: progress.onProgress }
      const saved = await withVariants(await output.saved(small), { ...target, ...told })
      const verification = kept && (await verify(requestFor(model, saved, flags, kept.in(small), calibration[0])))
      progress.stop()
      report(
        terminal,
        model,
        { ...saved, bytesBefore: await weightBytes(path), ...(verification ? { verification } : {}) },
        (small.provenance ?? []).slice(model.provenance?.length ?? 0),
        reports,
        (Date.now() - started) / 1000,
      )
      await saved.close()
      requireAgreement(verification)
    } finally {
      progress.stop()
      await output.scratch.close()
      tf.dispose(calibration)
    }
  })

const workOf = ({ calibrate, activationMemory }: CompressFlags) => ({
  calibrated: calibrate.length > 0,
  activationBytes: activationMemory * 2 ** 20,
})

/** What calibration learns from, said in one line; nothing where none was given. */
const learnFrom = async (terminal: Terminal, model: OpenedModel, path: string, flags: CompressFlags): Promise<tf.Tensor[]> => {
  if (flags.calibrate.length === 0) return []
  const learned = await readCalibration(model, flags.calibrate, path, flags)
  note(terminal, paint(terminal, calibrationText(learned, widthOf(terminal)), 'dim'))
  return learned.batches
}

const requestFor = (
  original: OpenedModel,
  { path }: SavedModel,
  { format, seed }: CompressFlags,
  compressed: OpenedModel | undefined,
  input: tf.Tensor | undefined,
): VerifyRequest => ({ path, format, seed, original, ...(compressed ? { compressed } : {}), ...(input ? { input } : {}) })

/** Sites by the names of their weights, biases and grids of inputs. */
const sitesByParameter = (model: OpenedModel): ReadonlyMap<string, string> =>
  new Map(
    sitesOf(model).flatMap(site =>
      [site.weight, site.bias ?? `${site.name}.bias`, ...inputNames(site)].map(name => [name, site.name] as const),
    ),
  )

/** Counts what a step did: sites that it compressed, or of which it changed something. */
const record = (reports: StepReport[], event: ProgressEvent, siteOf: ReadonlyMap<string, string>): void => {
  if (event.type === 'pass' && event.pass !== 'pipeline') reports.push({ method: event.pass, options: {}, sites: 0, changed: new Set() })
  const current = reports[reports.length - 1]
  if (event.type === 'changed') {
    const site = siteOf.get(event.parameter)
    if (site === undefined || current.changed.has(site)) return
    current.changed.add(site)
    current.sites++
  }
  if (event.type !== 'compressed') return
  current.changed.add(event.site)
  current.error = ((current.error ?? 0) * current.sites + event.error) / (current.sites + 1)
  current.sites++
}

/** What no step touched, said once with its bytes. */
const leftNotes = (model: OpenedModel, touched: ReadonlySet<string>): readonly string[] => {
  const weights = new Map(sitesOf(model).map(site => [site.weight, site] as const))
  const done = new Set(sitesOf(model).flatMap(({ name, weight }) => (touched.has(name) ? [weight] : [])))
  const left = [...weights].filter(([weight]) => !done.has(weight))
  const bytes = left.reduce((sum, [weight]) => sum + model.params.info(weight).byteLength, 0)
  const named = left
    .slice(0, 3)
    .map(([, { name, kind, head }]) => `${name}${head ? ', the head' : kind === 'embedding' ? ', a table' : ''}`)
  const { others = [] } = model as { readonly others?: readonly OtherWeight[] }
  const otherBytes = others.reduce((sum, each) => sum + each.bytes, 0)
  return [
    ...(left.length === 0 ? [] : [`left as they were: ${bytesText(bytes)} of ${left.length} ${left.length === 1 ? "site" : "sites"} that no step chose (${named.join('; ')}${left.length > 3 ? '; …' : ''})`]), // prettier-ignore
    ...(others.length === 0 ? [] : [`left as they were: ${bytesText(otherBytes)} that are no sites: ${othersText(others)}`]),
  ]
}

const report = (
  terminal: Terminal,
  before: OpenedModel,
  saved: SavedModel & { readonly bytesBefore: number; readonly verification?: Verification },
  provenance: readonly { readonly method: string; readonly options: object }[],
  reports: readonly StepReport[],
  seconds: number,
): void => {
  const { parameters } = sizeOfModel(before)
  const { bytes: bytesAfter, bytesBefore } = saved
  const done = reports.filter(({ method }) => method !== 'pack')
  const steps = done.map(({ changed: _, ...entry }, i) => ({ ...entry, options: provenance[i]?.options ?? {} }))
  const result = {
    out: saved.path,
    bytesBefore,
    bytesAfter,
    bitsPerWeight: (8 * bytesAfter) / parameters,
    seconds,
    steps,
    ...(saved.verification ? { verification: saved.verification } : {}),
  }
  const rows = steps.map(({ method, options, sites, error }) => [
    paint(terminal, method, 'cyan'),
    Object.entries(options)
      .map(([name, value]) => callText({ name: '', options: { [name]: value } }).slice(1, -1))
      .join(' '),
    sites,
    error?.toExponential(2) ?? '',
  ])
  const summary = `${paint(terminal, saved.path, 'bold')}  ${bytesText(bytesBefore)} → ${bytesText(bytesAfter)}  ${result.bitsPerWeight.toFixed(2)} bits/weight  ${seconds.toFixed(1)} s`
  const notes = [
    ...saved.notes,
    ...(steps.length === 0 ? [] : leftNotes(before, new Set(reports.flatMap(({ changed }) => [...changed])))),
    ...(saved.verification ? [verificationText(saved.verification)] : []),
  ]
    .map(line => `\n${line}`)
    .join('')
  noteGrowth(terminal, bytesBefore, bytesAfter, saved.growth)
  writeResult(
    terminal,
    result,
    `${rows.length === 0 ? '' : `${tableOf(terminal, ['step', 'options', 'sites', 'error'], rows, [2, 3])}\n\n`}${summary}${notes}`,
  )
}
