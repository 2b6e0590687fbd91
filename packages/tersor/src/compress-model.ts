import * as tf from '@tensorflow/tfjs-core'
import { compress as run, pack, pipeline } from '@tersor/core'
import { nodeFileSystem } from '@tersor/formats/internal/files/file-system'
import type { ScratchFolder } from '@tersor/formats/scratch'
import type { EngineName } from '@tersor/kernels/select-engine'
import type { OpenedModel } from '@tersor/models/open-model'
import { calibrationText, readCalibration } from './calibration.js'
import { garbageCollector } from './collect-garbage.js'
import type { CompressRequest, Hearing } from './compress-request.js'
import { describeRun } from './describe-run.js'
import { resultOf, type CompressionResult } from './compression-result.js'
import { engineFacts } from './engine-facts.js'
import { inFormatOf } from './in-format-of.js'
import { makeStep } from './methods.js'
import { noteMemory } from './memory-bound.js'
import { openOutput, type ModelOutput, type SavedModel } from './model-output.js'
import { networkCut } from './network-cut.js'
import { note, paint, noteWidth, type Terminal } from './output.js'
import { refusePlanned } from './planned-layers.js'
import { measureQuality } from './quality.js'
import { runFacts, stopped } from './run-facts.js'
import { whileHashed } from './source-hashes.js'
import { runReports } from './step-reports.js'
import { asItIs } from './targets/as-it-is.js'
import { chosenSteps } from './targets/chosen-steps.js'
import { emptyImatrix, fillImatrix } from './targets/importance.js'
import { inTarget } from './targets/in-target.js'
import { withVariants, type VariantTools } from './targets/variants.js'
import { teeSink } from './tee-sink.js'
import { verify, type Verification, type VerifyRequest } from './verify.js'
import { withModel } from './with-model.js'
import { sinkOf, writerOf } from './writer-of.js'

/** Runs steps on the model at a path and saves the result; what the command and `compressModel` do. */
export const runCompression = (
  terminal: Terminal,
  path: string,
  given: CompressRequest,
  hearing: Hearing,
): Promise<CompressionResult & { readonly verification?: Verification }> => {
  const work = (hash?: Promise<string>) =>
    withModel(terminal, { ...given, path }, (model, engine) => compressOpened(terminal, { model, engine, path, hash }, given, hearing))
  return given.described === false ? work() : whileHashed(path, work)
}

interface Source {
  readonly model: OpenedModel
  readonly engine: EngineName
  readonly path: string
  /** Of the model, where the result is to be described. */
  readonly hash: Promise<string> | undefined
}

const compressOpened = async (
  terminal: Terminal,
  { model, engine, path, hash }: Source,
  given: CompressRequest,
  hearing: Hearing,
): Promise<CompressionResult & { readonly verification?: Verification }> => {
  const { onProgress, signal } = hearing
  const { flags: chosen, ...target } = await inTarget(model, given)
  const flags = inFormatOf(model, chosen)
  const steps = await chosenSteps(terminal, model, target.steps, flags.steps)
  const importance = target.weighs ? emptyImatrix() : undefined
  const started = Date.now()
  await refusePlanned(model, steps, flags)
  noteMemory(terminal, model, workOf(flags))
  const output = await openOutput(model, path, importance ? { ...flags, imatrix: importance } : flags)
  const { packs } = await writerOf(flags.format)
  const collectGarbage = garbageCollector()
  const reports = runReports(model)
  let calibration: tf.Tensor[] = []
  const kept = flags.verify ? teeSink(output.sink) : undefined
  const runSteps = async (): Promise<OpenedModel> =>
    run(model, steps.length === 0 ? asItIs : pipeline(...steps, ...(packs ? [pack()] : [])), {
      seed: flags.seed,
      signal,
      onProgress: event => [reports.onProgress, onProgress, collectGarbage].forEach(tell => tell(event)),
      sink: kept?.sink ?? output.sink,
      scratch: keptWhilePublished(output),
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
    hearing.onOpened?.(model, calibration.length)
    if (importance) await fillImatrix(importance, model, calibration, { signal, onProgress: hearing.onAdvance })
    const small = await runSteps()
    const told = { ...variantTools(), model, out: flags.out, calibration, seed: flags.seed, signal, onProgress }
    const saved = await withVariants(await output.saved(small), { ...target, ...told })
    const verification = kept && (await verify(requestFor(model, saved, flags, kept.in(small), calibration[0])))
    tf.dispose(calibration.splice(0))
    const seconds = (Date.now() - started) / 1000
    const cut = await networkCut(model, small)
    await saved.close()
    const quality = await qualityOf(model, path, saved, flags, hearing)
    const result = await resultOf({ model, small, cut, path, saved, reports, seconds, quality })
    if (hash) await describeRun({ model, path, hash, flags, asked: given, result, facts: await engineFacts(engine) })
    await output.scratch.remove()
    return { ...result, ...(verification ? { verification } : {}) }
  } finally {
    await output.scratch.close()
    tf.dispose(calibration)
  }
}

/** Variants are written beside the first file. */
const variantTools = (): VariantTools => ({ fs: nodeFileSystem(), makeStep: text => makeStep(text, process.cwd()), sinkOf })

/** What a run leaves stays until all is said of a result that stands: one that is killed before goes on from there. */
const keptWhilePublished = ({ scratch, reopen }: Pick<ModelOutput, 'scratch' | 'reopen'>): ScratchFolder => {
  let stands = reopen !== undefined
  return {
    ...scratch,
    publish: async kind => {
      await scratch.publish(kind)
      stands = kind === 'published'
    },
    remove: async () => {
      if (!stands) await scratch.remove()
    },
  }
}

const qualityOf = async (model: OpenedModel, path: string, saved: SavedModel, flags: CompressRequest, hearing: Hearing) => {
  const { quality, evaluate, calibrate } = flags
  return quality === false ? undefined : measureQuality({ model, path, saved: saved.path, evaluate, calibrate }, hearing)
}

const workOf = ({ calibrate, activationMemory }: CompressRequest) => ({
  calibrated: calibrate.length > 0,
  activationBytes: activationMemory * 2 ** 20,
})

/** What calibration learns from, said in one line; nothing where none was given. */
const learnFrom = async (terminal: Terminal, model: OpenedModel, path: string, flags: CompressRequest): Promise<tf.Tensor[]> => {
  if (flags.calibrate.length === 0) return []
  const learned = await readCalibration(model, flags.calibrate, path, flags)
  note(terminal, paint(terminal, calibrationText(learned, noteWidth(terminal)), 'dim'))
  return learned.batches
}

const requestFor = (
  original: OpenedModel,
  { path }: SavedModel,
  { format, seed }: CompressRequest,
  compressed: OpenedModel | undefined,
  input: tf.Tensor | undefined,
): VerifyRequest => ({ path, format, seed, original, ...(compressed ? { compressed } : {}), ...(input ? { input } : {}) })
